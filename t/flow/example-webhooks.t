#!/usr/bin/env perl

# conf-examples/webhooks.conf, and the receiver of README.md.

use strict;
use warnings;

use AsyncExample;
use AsyncHooks;
use AsyncTest;
use Test::More;


my $t      = AsyncExample->new('webhooks.conf');
my $readme = slurp("$t->{top}/README.md");
my ($code) = $readme =~ /```js\n(.*?)```/s or die 'README.md has no receiver';
my $port   = $t->port('8000');

ok(scalar(() = $code =~ /^.*\S/mg) <= 12, 'a receiver in some ten lines');

# the worker reads it too, as the user of nginx's workers
if ($> == 0) {
    my ($uid, $gid) = (getpwnam $t->{user})[2, 3];
    chown $uid, $gid, "$t->{root}/webhook.secret";
}

$code =~ s/8000/$port, '127.0.0.1'/;
$t->write_file('receiver.js', $code);

{
    chomp(local $ENV{WEBHOOK_SECRET} = slurp("$t->{root}/webhook.secret"));
    local $ENV{NODE_PATH} = "$t->{top}/build/node/node_modules";
    $t->spawn('receiver', 'node', "$t->{root}/receiver.js");
}

$t->_listening($port) or die 'no receiver';
$t->start;

my @answers = $t->by_hand;

is($answers[0]{status}, 202, 'a job');
is($answers[1]{status}, 400, 'not to our own network');
is($answers[1]->json->{code}, 'callback-refused', 'that is why');
is($answers[2]{status}, 400, 'and not by ftp');
is($answers[2]->json->{code}, 'callback-invalid', 'which is no such URL');

my $job = $t->job_path($answers[0]);

ok(poll_until(30, sub {
       grep { $_->{event} eq 'webhook-delivered' && $_->{status} == 200 }
       webhook_lines($t, $job);
   }), 'its end is told');
like(slurp("$t->{root}/receiver.log"), qr{^http://localhost\S*$job/result$}m,
     'the receiver has verified it, and knows the result');


is(scalar(webhook_lines($t, $job)), 1, 'once');

$t->done;
done_testing;
