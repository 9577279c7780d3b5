#!/usr/bin/env perl

# conf-examples/gateway-a.conf and gateway-b.conf, behind balancer.conf: a
# client may ask either for its job.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use Test::More;


my $a = AsyncExample->new('gateway-a.conf', name => 'example-gateway-a');
my $b = AsyncExample->new('gateway-b.conf', name => 'example-gateway-b',
                          ports => $a->{ports});
my $t = AsyncExample->new('balancer.conf', name => 'example-balancer',
                          ports => $a->{ports});

$a->start;
$b->start_nginx;
$b->start_worker;
$t->start_nginx;

my %other = (a => '8083', b => '8082');


# --- by way of the balancer -----------------------------------------------

my @answers = $t->by_hand;
my %home    = map { $_->header('Location') =~ m{^/jobs/([ab])/} ? ($1 => $_)
                                                                : () }
              @answers[0, 1];

is_deeply([sort keys %home], ['a', 'b'],
          'by hand: in turn, and Location says where, without a host');
is_deeply([map { $_->{status} } @answers[2, 3]], [200, 200],
          'by hand: the job is found at both');

for my $name (sort keys %other) {
    my $path = $t->job_path($home{$name});
    my $job  = $t->wait_job($path);

    is($job->{status}, 'completed', "a job of $name: completed");
    is($t->get("$path/result", port => $_)->json->{words}, 2,
       "a job of $name: its result at $_") for '8082', '8083';
}


# --- one of them goes away ------------------------------------------------

my $path = $t->job_path($home{b});

ok($b->stop_nginx, 'b goes');
is($t->get($path, port => '8082')->{status}, 502, 'a: the jobs of b are away');
like($t->submit('/reports?seconds=0')->header('Location'), qr{^/jobs/a/},
     'the balancer: new jobs go to a') for 1 .. 4;

$b->start_nginx;
is($t->get($path, port => '8082')->{status}, 200, 'b is back, and so are they');

$a->done;
$b->done;
$t->stop_nginx;
done_testing;
