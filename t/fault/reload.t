#!/usr/bin/env perl

# 50 reloads under load lose nothing and do nothing twice, with and without
# worker_shutdown_timeout.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncHistory;
use AsyncLoad;
use AsyncTest;
use Test::More;


my $reloads = scale(25, 250);
my $http    = <<'END';
    async_queue default concurrency=64;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /work {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END


# workers of nginx, those that are shutting down included
sub all_workers {
    my ($t) = @_;
    return grep { (slurp("/proc/$_/cmdline") // '') =~ /worker process/ }
           AsyncTest::children_of($t->pid('nginx'));
}


sub reload_under_load {
    my ($name, $main, %args) = @_;
    my $t = AsyncTest->new(name => $name, http => $http, main => $main,
                           workers => 2);
    $t->start;

    my $load = AsyncLoad->start($t, connections => 16, rate => 100,
        resend => 1, request => sub {
            my ($n) = @_;
            my $seconds = $n % 10 > 1 ? 0.05 : $args{long};
            return ($n % 2 ? 'POST' : 'PUT',
                    "/work?sleep=$seconds&key=$n", "body $n");
        });
    my $history = AsyncHistory->new($t, $load);

    my $most = 0;

    for (1 .. $reloads) {
        my $mark = $load->answers;
        poll_until(20, sub { $load->answers > $mark + 20 })
            or die 'nothing is accepted';
        $t->reload;
        $history->look;
        my $now = () = all_workers($t);
        $most = $now if $now > $most;
    }

    my @submits = $load->stop;
    note("$name: $reloads reloads, at most $most nginx workers at once");
    cmp_ok($most, '>', 2, "$name: old workers were finishing beside new ones");
    is_deeply([grep { ($_->{status} // 0) != 202 } @submits], [],
              "$name: no submit failed");

    is_deeply([keys %{ $history->{looks} }], [200],
              "$name: no look at a job failed") or diag(explain($history->{looks}));

    my $counts = $history->check(
        name => $name, seconds => 90, again => $args{cut}, ends => sub {
            my ($submit, $job) = @_;
            return $job->{status} eq 'completed'
                   || $args{cut} && $job->{method} eq 'POST'
                      && $job->{error} eq 'outcome-unknown';
        });

    ok(poll_until(30, sub { all_workers($t) == 2 }),
       "$name: the old workers have ended");
    $t->done;
    return $counts;
}


# without a limit every replay ends where it began: all completed, none again
my $counts = reload_under_load('reload', '', long => 1.5);
is($counts->{'PUTs that ran again'} // 0, 0,
   'reload: nothing ran twice, not even a PUT');

# with one, replays are cut: PUTs go back to the queue and run again
$counts = reload_under_load('reload-cut', 'worker_shutdown_timeout 2s;',
                            long => 3.5, cut => 1);
cmp_ok($counts->{'POST failed outcome-unknown'} // 0, '>', 0,
       'reload-cut: POSTs that were cut are unknown');
cmp_ok($counts->{'PUTs that ran again'} // 0, '>', 0,
       'reload-cut: PUTs that were cut ran again');

done_testing;
