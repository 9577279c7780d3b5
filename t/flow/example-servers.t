#!/usr/bin/env perl

# conf-examples/servers.conf: several servers with TLS, one status location.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $t    = AsyncExample->new('servers.conf')->start;
my $port = $t->port('8443');
my @how  = ('--cacert', $t->root . '/cert.pem',
            '--connect-to', "::127.0.0.1:$port");


sub wait_for {
    my ($url) = @_;
    my $job;
    poll_until(20, sub {
        my $answer = $t->curl(@how, $url) or return;
        $job = $answer->json;
        return $job->{status} =~ /^(?:completed|failed)$/;
    });
    return $job;
}


my @answers = $t->by_hand;

is($answers[0]{status}, 202, 'by hand: accepted');
like($answers[0]->header('Location'),
     qr{^https://jobs\.test\.example:$port/jobs/[0-9a-f-]{36}$},
     'its job lives at another server');
is($answers[1]{status}, 200, 'by hand: its status');
is($answers[1]->json->{statusUrl}, $answers[0]->header('Location'),
   'by the same URL');

for my $name (qw(reports images)) {
    my $accepted = $t->curl(@how, '-d', 'two words',
                            "https://$name.test.example:$port/?seconds=0");
    my $job      = wait_for($accepted->header('Location'));

    is($job->{status}, 'completed', "$name: completed");
    is($job->{queue}, $name eq 'images' ? 'images' : 'default',
       "$name: in its queue");
    like($job->{resultUrl}, qr{^https://jobs\.test\.example:$port/jobs/},
         "$name: its result is there too");
    is($t->curl(@how, $job->{resultUrl})->json->{words}, 2,
       "$name: the result");
}

ok(!$t->curl(@how, "https://other.test.example:$port/"),
   'no other name is served');

$t->done;
done_testing;
