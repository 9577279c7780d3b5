#!/usr/bin/env perl

# Reloads under load lose nothing, with and without worker_shutdown_timeout.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Test::More;
use Time::HiRes qw(sleep);


my $reloads = ($ENV{FAULT} // '') eq 'long' ? 60 : 8;
my $http    = <<'END';
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

    my $load = AsyncLoad->start($t, connections => 8, pause => 0.02,
        resend => 1, request => sub {
            my ($n) = @_;
            my $seconds = $n % 10 > 1 ? 0.05 : $args{long};
            return ($n % 2 ? 'POST' : 'PUT',
                    "/work?sleep=$seconds&key=$n", "body $n");
        });

    my $most = 0;

    for (1 .. $reloads) {
        my $mark = $load->answers;
        poll_until(20, sub { $load->answers > $mark + 20 })
            or die 'nothing is accepted';
        $t->reload;
        my $now = () = all_workers($t);
        $most = $now if $now > $most;
    }

    my @submits = $load->stop;
    note("$name: $reloads reloads, at most $most nginx workers at once");
    cmp_ok($most, '>', 2, "$name: old workers were finishing beside new ones");
    is_deeply([grep { ($_->{status} // 0) != 202 } @submits], [],
              "$name: no submit failed");

    my $ends = $load->invariants(name => $name, seconds => 60,
                                 lost => $args{lost});

    ok(poll_until(30, sub { all_workers($t) == 2 }),
       "$name: the old workers have ended");
    $t->done;
    return ($t, $ends);
}


# without a limit every replay ends where it began: all completed, none again
my ($t) = reload_under_load('reload', '', long => 1.5);
my $times = AsyncLoad::executions($t);
is_deeply([grep { $times->{$_} > 1 } keys %$times], [],
          'reload: nothing ran twice, not even a PUT');

# with one, replays are cut: PUTs go back to the queue and run again
($t, my $ends) = reload_under_load('reload-cut',
                                   'worker_shutdown_timeout 1s;',
                                   long => 1.5, lost => 1);
$times = AsyncLoad::executions($t);
my @again = grep { $times->{$_} > 1 } keys %$times;
note('reload-cut: ', scalar(@again), ' PUTs ran again, ',
     $ends->{'POST failed outcome-unknown'} // 0, ' POSTs are unknown');
cmp_ok($ends->{'POST failed outcome-unknown'} // 0, '>', 0,
       'reload-cut: POSTs that were cut are unknown');
cmp_ok(scalar(@again), '>', 0, 'reload-cut: PUTs that were cut ran again');

done_testing;
