#!/usr/bin/env perl

# The worker is killed at random points of delivery: every job that ended is
# told at least once, always under the same id, and the store stays in order.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncHooks;
use AsyncPreload;
use AsyncTest;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep);


my $kills = long_run(6, 100);
my $t     = AsyncTest->new(workers => 2, http => <<'END');
    async_queue many concurrency=50;

    server {
        listen 127.0.0.1:%%PORT%%;
        server_name localhost;

        location /reports {
            async on queue=many;
            async_retry 20 backoff=10ms:10ms non_idempotent;
            async_callback $http_x_callback_url;
            async_callback_allow 127.0.0.1;
            async_callback_secret %%ROOT%%/secret;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my $secret = secret($t, 'secret');

receiver($t, 'receiver', $secret);
$t->start;

my $base = 'http://127.0.0.1:' . $t->port('receiver');
my $n    = 0;
my %jobs;

for my $kill (1 .. $kills) {
    for (1 .. 10) {
        $n++;
        $jobs{$n} = with_callback($t, '/reports', "$base/status/204?n=$n");
    }

    sleep rand 0.1;
    $t->kill_worker;
    $t->start_worker;
}

my %ended = map { $_ => $t->wait_job($jobs{$_}, 60)->{status} } keys %jobs;
my %told;

poll_until(60, sub {
    %told = ();
    push @{ $told{ $_->{path} } }, $_ for deliveries($t, 'receiver');
    return keys %told == $n;
});

is(scalar keys %told, $n, "$n jobs are told, after $kills kills");

my ($twice, @odd) = (0);

for my $number (sort { $a <=> $b } keys %jobs) {
    my @got = @{ $told{"/status/204?n=$number"} || [] };
    my ($id) = $jobs{$number} =~ m{([^/]+)$};
    my %ids = map { $_->{headers}{'webhook-id'} => 1 } @got;
    push @odd, $number if join(',', keys %ids) ne "msg_$id"
        || grep { !@{ $_->{right} } || $_->{body} ne $got[0]{body}
                  || $_->{body} !~ /"type":"job\.$ended{$number}"/ } @got;
    $twice++ if @got > 1;
}

is("@odd", '', 'each under its own id, signed, and the same every time');
note "$twice of $n were told more than once";

ok(poll_until(30, sub {
       my ($code, $out) = $t->command('webhooks', '--json', '--limit', 10 * $n);
       my %states;
       $states{ $_->{status} }++
           for @{ JSON::PP::decode_json($out)->{webhooks} };
       return ($states{delivered} || 0) == $n;
   }), 'and all of them are known to be delivered');

my ($code, $out) = $t->command('check');
is($code, 0, 'the store is in order') or diag($out);

$t->done;
done_testing;
