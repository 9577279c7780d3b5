#!/usr/bin/env perl

# The worker is killed, with jobs running and with another one standing by,
# and told to stop.  Again and again, under load: kill.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);


my $http = <<'END';
    async_queue narrow concurrency=2;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /narrow {
            async on queue=narrow;
            proxy_pass http://%%BACKEND%%;
        }

        location /wide {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END


# --- with jobs queued and running -----------------------------------------

my $t = AsyncTest->new(http => $http, workers => 2);
$t->start;

sub submit {
    my ($method, $target) = @_;
    return $t->job_path($t->submit($target, method => $method, body => 'b'));
}

sub arrived {
    my ($key) = @_;
    return scalar grep { $_->{target} =~ /[?&]key=$key\b/ }
           $t->backend_log('arrived');
}

my $post   = submit(POST => '/narrow?sleep=2&key=1');
my $put    = submit(PUT  => '/narrow?sleep=2&key=2');
my @queued = map { submit(($_ % 2 ? 'POST' : 'PUT'), "/narrow?key=1$_") }
             1 .. 6;

ok(poll_until(20, sub { arrived(1) && arrived(2) }),
   'a POST and a PUT are at the backend');
is($t->get($post)->json->{status}, 'processing', 'the POST is processing');
is($t->get($queued[5])->json->{status}, 'queued', 'others are queued');

$t->kill_worker;
ok(poll_until(20, sub { $t->backend_log('gone') == 2 }),
   'the backend sees both connections close');
is($t->get($put)->json->{status}, 'processing',
   'nobody judges while there is no worker');

my $more = submit(POST => '/narrow?key=20');
is($t->get($more)->json->{status}, 'queued',
   'submits are accepted without a worker');

my $began = time;
$t->start_worker;

my $job = $t->wait_job($post);
note(sprintf 'the POST was judged %.2f s after the start', time - $began);
is($job->{status}, 'failed', 'the running POST failed');
is($job->{error}{code}, 'outcome-unknown', 'its outcome is unknown');
is(arrived(1), 1, 'it was not sent again');

my $result = $t->get("$post/result");
is($result->{status}, 502, 'its result is a 502');
is($result->json->{code}, 'outcome-unknown', 'which says why');

$job = $t->wait_job($put);
is($job->{status}, 'completed', 'the running PUT completed');
is($job->{attempt}, 2, 'in its second attempt');
is(arrived(2), 2, 'it ran twice');
my @puts = grep { $_->{target} =~ /key=2\b/ } $t->backend_log('arrived');
is_deeply([map { $_->{attempt} } @puts], [1, 2],
          'and the backend was told which attempt it is');

is_deeply([map { $t->wait_job($_)->{status} } @queued, $more],
          [('completed') x 7], 'the queued ones completed');
is_deeply([map { arrived($_) } 11 .. 16, 20], [(1) x 7], 'each ran once');
AsyncLoad::check_clean($t, 'after a kill');


# --- hot standby ----------------------------------------------------------

$t->spawn('standby', $t->{program}, 'worker', '--store', $t->store);
ok(poll_until(20, sub {
       (slurp($t->root . '/standby.log') // '') =~ /standby/;
   }), 'a second worker stands by');

my $running = submit(PUT => '/wide?sleep=3&key=30');
ok(poll_until(20, sub { arrived(30) }), 'a PUT is running');
my $other = submit(POST => '/wide?sleep=0.1&key=31');
is($t->wait_job($other)->{status}, 'completed', 'and the first worker works');

# the PUT shows the takeover: it arrives again
$began = time;
$t->kill_worker;
ok(poll_until(20, sub { arrived(30) == 2 }), 'the standby takes over');
my $took = time - $began;
note(sprintf 'it took over in %.2f s', $took);
cmp_ok($took, '<', 5, 'within a bounded time');
is($t->wait_job(submit(POST => '/wide?key=32'))->{status}, 'completed',
   'it runs new jobs');


# --- TERM -----------------------------------------------------------------

# it still runs the PUT, and lets it finish
ok($t->stop('standby', 'TERM', 40), 'a worker ends at TERM');
is($?, 0, 'with status 0');
is($t->get($running)->json->{status}, 'completed', 'after what was running');

$t->start_worker('--grace', '30s');
my $last = submit(POST => '/wide?sleep=1.5&key=40');
ok(poll_until(40, sub { arrived(40) }), 'a POST is running');
kill 'TERM', $t->pid('worker');
ok(poll_until(10, sub {
       slurp($t->root . '/worker.log') =~ /drains/
   }), 'the worker says that it is told to stop');
my $late = submit(POST => '/wide?key=41');
ok($t->wait_end('worker', 60), 'the worker ends');
is($?, 0, 'with status 0');
is($t->get($last)->json->{status}, 'completed', 'after what was running');
is($t->get($late)->json->{status}, 'queued', 'it took nothing new');

$t->start_worker('--grace', '100ms');
is($t->wait_job($late)->{status}, 'completed', 'which the next worker does');

my $cut  = submit(POST => '/wide?sleep=20&key=50');
my $back = submit(PUT  => '/wide?sleep=2&key=51');
ok(poll_until(20, sub { arrived(50) && arrived(51) }), 'two more run');
ok($t->stop('worker', 'TERM', 10), 'a short grace ends soon');
is($?, 0, 'with status 0');
is($t->get($cut)->json->{error}{code}, 'outcome-unknown',
   'a POST that was cut has failed');
is($t->get($back)->json->{status}, 'queued', 'a PUT that was cut is queued');
$t->start_worker;
is($t->wait_job($back)->{status}, 'completed', 'and runs again');
is(arrived(50), 1, 'the POST does not');

AsyncLoad::check_clean($t, 'after TERM');
$t->done;


done_testing;
