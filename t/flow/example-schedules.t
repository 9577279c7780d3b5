#!/usr/bin/env perl

# conf-examples/schedules.conf: recurring jobs, run by hand.

use strict;
use warnings;

use AsyncExample;
use AsyncTest;
use JSON::PP ();
use Test::More;


my $t = AsyncExample->new('schedules.conf');
$t->start;

my $all = poll_until(30, sub {
    my ($code, $out) = $t->command('schedules', '--json');
    my %all = map { $_->{name} => $_ }
              @{ JSON::PP::decode_json($out)->{schedules} };
    return 3 == grep({ $_->{nextRunAt} } values %all) && \%all;
});

is_deeply([sort keys %$all], [qw(monthly nightly often)], 'three schedules');
like($all->{nightly}{nextRunAt}, qr/T0[12]:30:00/, 'half past three in Berlin');
is($all->{often}{misfire}, 'skip', 'what is missed is of no use');
is($all->{monthly}{misfire}, 'all', 'or each counts');

my ($code, $id) = $t->command('schedules', 'run', 'nightly');
chomp $id;
is($code, 0, 'one is run by hand');
ok(poll_until(30, sub { $t->get("/jobs/$id")->{status} == 200 }),
   'its job is there');

my $job = $t->wait_job("/jobs/$id");
is($job->{status}, 'completed', 'it completes');
is($job->{queue}, 'nightly', 'in a queue of its own');
is($t->get("/jobs/$id/result")->json->{words}, 4, 'with the body of the file');
is($t->request('POST', '/reports/nightly')->{status}, 403,
   'nobody else gets in');
$t->done;

done_testing;
