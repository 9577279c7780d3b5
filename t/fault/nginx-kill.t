#!/usr/bin/env perl

# nginx is killed: a worker of it between a backend's reading and answering,
# workers under load, the master and all of them, everything.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Test::More;
use Time::HiRes qw(sleep);


my $kills = ($ENV{FAULT} // '') eq 'long' ? 100 : 10;
my $http  = <<'END';
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

my $t;


sub fresh {
    my ($name) = @_;
    $t = AsyncTest->new(http => $http, workers => 2, name => $name);
    $t->expect_log('worker process \d+ exited on signal 9');
    return $t->start;
}


sub submit {
    my ($method, $target) = @_;
    return $t->job_path($t->submit($target, method => $method, body => 'b'));
}


sub arrived {
    my ($key) = @_;
    return scalar grep { $_->{target} =~ /[?&]key=$key\b/ }
           $t->backend_log('arrived');
}


sub load {
    my ($name) = @_;
    return AsyncLoad->start($t, connections => 8, pause => 0.02,
        request => sub {
            my ($n) = @_;
            return ($n % 2 ? 'POST' : 'PUT', "/work?sleep=0.05&key=$n",
                    "body $n");
        });
}


# as many answers as there may be jobs running: what was cut has run again,
# for a job that is cut three times is set aside
sub goes_on {
    my $mark = $t->backend_stats->{answered};
    return poll_until(30, sub {
        $t->backend_stats->{answered} > $mark + 10;
    });
}


# --- between reading and answering ----------------------------------------

fresh('nginx-kill');

my $post = submit(POST => '/work?sleep=1.5&key=1');
my $put  = submit(PUT  => '/work?sleep=1.5&key=2');
ok(poll_until(20, sub { arrived(1) && arrived(2) }),
   'a POST and a PUT are at the backend');

my @workers = $t->nginx_workers;
is(scalar(@workers), 2, 'two nginx workers');
kill 'KILL', @workers;
ok(poll_until(20, sub {
       my @now = $t->nginx_workers;
       return @now == 2 && !grep { $_ == $now[0] || $_ == $now[1] } @workers;
   }), 'the master replaces both');

my $job = $t->wait_job($post);
is($job->{status}, 'failed', 'the POST failed');
is($job->{error}{code}, 'outcome-unknown', 'its outcome is unknown');
$job = $t->wait_job($put);
is($job->{status}, 'completed', 'the PUT completed');
is(arrived(2), 2, 'in a second run');
is(arrived(1), 1, 'the POST ran once');
AsyncLoad::check_clean($t, 'after a kill');


# --- the master and all its workers ---------------------------------------

$post = submit(POST => '/work?sleep=2&key=10');
$put  = submit(PUT  => '/work?sleep=2&key=11');
ok(poll_until(20, sub { arrived(10) && arrived(11) }),
   'a POST and a PUT are at the backend');
my @waiting;
$t->kill_worker;
push @waiting, submit(POST => "/work?key=$_") for 20 .. 24;

$t->kill_nginx;
my @sockets = glob $t->store . '/run/*.sock';
is(scalar(@sockets), 1, 'the killed master leaves its socket behind');
$t->start_worker;
ok(poll_until(20, sub {
       my $log = slurp($t->root . '/worker.log') // '';
       return $log =~ /epoch=2/ && $log =~ /nginx does not answer/;
   }), 'the worker says that nginx does not answer');
is(arrived(20), 0, 'and nothing runs');

$t->start_nginx;
like(slurp($t->root . '/error.log'), qr/removing stale socket/,
     'nginx comes up and removes the stale socket');
is_deeply([map { $t->wait_job($_)->{status} } @waiting],
          [('completed') x 5], 'what was queued completes');
is_deeply([map { arrived($_) } 20 .. 24], [(1) x 5], 'each ran once');
is($t->wait_job($post)->{error}{code}, 'outcome-unknown',
   'the running POST has an unknown outcome');
is($t->wait_job($put)->{status}, 'completed', 'the running PUT completes');
is(arrived(10), 1, 'the POST ran once');
AsyncLoad::check_clean($t, 'after the master');
$t->done;


# --- workers under load ---------------------------------------------------

my $seed = $ENV{SEED} // int rand 1 << 30;
srand $seed;
note("SEED=$seed");

sub kill_under_load {
    my ($name, $times, $kill) = @_;

    fresh($name);
    my $load = load($name);

    for (1 .. $times) {
        goes_on() or die 'nothing happens';
        sleep rand 0.25;
        $kill->();
    }

    ok(goes_on(), "$name: jobs go on");
    my @submits = $load->stop;
    my %refused;
    $refused{ $_->{error} // $_->{status} }++
        for grep { ($_->{status} // 0) != 202 } @submits;
    note("$name: not accepted: ",
         join(', ', map { "$refused{$_} $_" } sort keys %refused) || 'none');
    delete @refused{qw(closed cut)};
    is_deeply(\%refused, {},
              "$name: a submit fails with its connection only");

    $load->invariants(lost => 1, seconds => 60, name => $name);
    $t->done;
}

kill_under_load('nginx-kill-workers', $kills, sub {
    my @now = $t->nginx_workers;
    kill 'KILL', $now[rand @now];
});

kill_under_load('nginx-kill-master', 3, sub {
    $t->kill_nginx;
    $t->start_nginx;
});

kill_under_load('nginx-kill-all', 3, sub {
    kill 'KILL', $t->pid('worker');
    $t->kill_nginx;
    $t->wait_end('worker', 10);
    $t->start_worker;
    $t->start_nginx;
});

done_testing;
