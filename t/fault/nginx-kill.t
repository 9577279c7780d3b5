#!/usr/bin/env perl

# nginx is killed between a backend's reading and answering: its workers, and
# the master and all of them.  Again and again, under load: kill.t.  And it is
# told to end at once, in the middle of its batches.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncLoad;
use AsyncTest;
use Test::More;


my $http = <<'END';
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


# --- between reading and answering ----------------------------------------

fresh('nginx-kill');

my $post = submit(POST => '/work?sleep=1.5&key=1');
my $put  = submit(PUT  => '/work?sleep=1.5&key=2');
ok(poll_until(20, sub { arrived(1) && arrived(2) }),
   'a POST and a PUT are at the backend');

my @workers = $t->nginx_workers;
is(scalar(@workers), 2, 'two nginx workers');

# at the same moment: what was lost with one must not begin again at the other
kill 'STOP', @workers;
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


# --- told to end at once --------------------------------------------------

# what threads are at must not be taken away from under them
$t = AsyncTest->new(http => $http, workers => 2, name => 'nginx-term')->start;
$t->kill_worker;

my $load = AsyncLoad->start($t, connections => 32, request => sub {
    my ($n) = @_;
    return (POST => "/work?key=$n", 'x' x 10_000);
});

for my $time (1 .. scale(30, 300)) {
    my $accepted = $load->accepted;
    poll_until(20, sub { $load->accepted > $accepted + 10 })
        or die 'nothing is accepted';
    kill 'TERM', $t->nginx_workers;
}

my @accepted = grep { ($_->{status} // 0) == 202 } $load->stop;
my %there    = map { $_->{id} => 1 } jobs_in_store($t);
is(scalar(grep { !$there{ $_->{id} } } @accepted), 0,
   'what was accepted until then is there');
AsyncLoad::check_clean($t, 'after that');
$t->done;


done_testing;
