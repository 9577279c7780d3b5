#!/usr/bin/env perl

# 1,000 submits from 64 connections over two nginx workers: as many jobs,
# each executed once, eight at a time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue reports concurrency=8;
    log_format pids '$pid $request_method $status';

    server {
        listen 127.0.0.1:%%PORT%% reuseport;

        location /reports {
            access_log pids.log pids;
            async on queue=reports;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;

my $load = AsyncLoad->start($t, connections => 64, count => 1000,
    request => sub {
        return ('POST', "/reports?sleep=0.04&key=$_[0]", "body $_[0]");
    });
my @submits  = $load->finish;
my @accepted = grep { ($_->{status} // 0) == 202 } @submits;
my @seconds  = sort { $a <=> $b } map { $_->{seconds} } @submits;

note(sprintf 'submits: %.1f ms in the middle, %.1f ms at most',
     1000 * $seconds[@seconds / 2], 1000 * $seconds[-1]);
is(scalar(@submits), 1000, '1,000 submits');
is(scalar(@accepted), 1000, 'each was accepted');

my %ids = map { $_->{id} => 1 } @accepted;
is(scalar(keys %ids), 1000, '1,000 distinct jobs');

my $ends = $load->invariants(seconds => 90);
is_deeply($ends, { 'POST completed' => 1000 }, 'all completed');

my $stats = $t->backend_stats;
my $times = AsyncLoad::executions($t);
note("at the backend: $stats->{executions} requests, of which at most "
     . "$stats->{most} at a time");
is($stats->{executions}, 1000, 'the backend was asked 1,000 times');
is(scalar(keys %$times), 1000, 'for 1,000 different requests');
is(scalar(keys %{ $stats->{jobs} }), 1000, 'of 1,000 different jobs');
is(scalar(grep { !$ids{$_} } keys %{ $stats->{jobs} }), 0,
   'the jobs of the backend are those that were accepted');
is($stats->{most}, 8, 'eight at a time, never more');

# both nginx workers took part: each logs with its pid
my %pids = map { $_ => 1 }
           slurp($t->root . '/pids.log') =~ /^(\d+) POST 202$/mg;
note('submits were answered by ' . keys(%pids) . ' nginx workers');
is(scalar(keys %pids), 2, 'both nginx workers took submits');

$t->done;
done_testing;
