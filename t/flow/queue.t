#!/usr/bin/env perl

# Queues with a rate, and queues that are paused, over restarts of the worker
# and of nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;
use Time::Local qw(timegm);


my $t = AsyncTest->new(http => <<'END');
    async_queue slow rate=10r/s concurrency=50;
    async_queue held paused;
    async_queue free;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /slow { async on queue=slow; proxy_pass http://%%BACKEND%%; }
        location /held { async on queue=held; proxy_pass http://%%BACKEND%%; }
        location /free { async on queue=free; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

$t->start;

sub status { return $t->get($t->job_path($_[0]))->json->{status} }

# unix ms
sub ms {
    my ($y, $mo, $d, $h, $m, $s, $ms) = $_[0] =~ /(\d+)/g;
    return timegm($s, $m, $h, $d, $mo - 1, $y) * 1000 + $ms;
}


# --- a rate, and a worker that dies in between ----------------------------

my @jobs = map { $t->job_path($t->submit('/slow')) } 1 .. 20;

# while they wait, others are not held up
is($t->wait_job($t->submit('/free'))->{status}, 'completed',
   'a queue without a rate goes on beside it');

$t->wait_job($jobs[6]);
$t->kill_worker;
$t->start_worker;
$t->wait_job($jobs[12]);
ok($t->stop_worker, 'the worker ends when told');
$t->start_worker;

my @started = sort { $a <=> $b }
              map { ms($t->wait_job($_)->{startedAt}) } @jobs;
my @gaps = map { $started[$_] - $started[$_ - 1] } 1 .. $#started;
note("gaps: @gaps");

is(scalar(grep { $_ < 79 } @gaps), 0, 'starts are spaced');

my @most = sort { $b <=> $a } map {
    my $from = $_;
    scalar grep { $_ >= $from && $_ < $from + 1000 } @started;
} @started;
cmp_ok($most[0], '<=', 11, 'no second has more than the rate and one');
cmp_ok($started[-1] - $started[0], '>=', 1800, 'all of them took their time');


# --- paused ---------------------------------------------------------------

my $held = $t->submit('/held');

sub holds {
    my ($what) = @_;
    is($t->wait_job($t->submit('/free'))->{status}, 'completed',
       "$what: another queue goes on");
    is(status($held), 'queued', "$what: the paused one holds");
    return;
}

holds('paused in nginx.conf');
$t->kill_worker;
$t->start_worker;
holds('after a restart of the worker');

is(($t->command('resume', 'held'))[0], 0, 'resume');
is($t->wait_job($held)->{status}, 'completed', 'lets it go');

# nginx.conf says paused again
$t->reload;
is($t->wait_job($t->submit('/held'))->{status}, 'completed',
   'a reload does not pause it again');

is(($t->command('pause', 'held'))[0], 0, 'pause');
$held = $t->submit('/held');
holds('paused by hand');
is(($t->command('pause', 'held'))[0], 0, 'pause, once more');
$t->reload;
holds('after a reload');

# canceled, and gone from it
is($t->request('DELETE', $t->job_path($held))->{status}, 200,
   'a job of a paused queue can be canceled');

# what runs goes on
my $running = $t->submit('/free?sleep=1');
ok(poll_until(20, sub { status($running) eq 'processing' }), 'a job runs');
is(($t->command('pause', 'free'))[0], 0, 'its queue is paused');
is($t->wait_job($running)->{status}, 'completed', 'it runs to its end');


# --- limits, as they are in the configuration that was loaded last ---------

is(($t->command('resume', 'free'))[0], 0, 'the queue goes on');
$t->{http} =~ s/async_queue free;/async_queue free concurrency=1 max_queued=1;/;
$t->reload;
ok(poll_until(20, sub {
    ($t->command('queues'))[1] =~ m{^free +active +0/1 +0/1 }m;
}), 'it has other limits now');

$running = $t->submit('/free?sleep=60');
ok(poll_until(20, sub { status($running) eq 'processing' }), 'one runs');
my $second = $t->submit('/free');
is($t->request('POST', '/free')->{status}, 503, 'one waits, a third may not');
is(status($second), 'queued', 'nor is it started');

$t->{http} =~ s/async_queue free .*?;/async_queue free;/;
$t->reload;
is($t->wait_job($second)->{status}, 'completed', 'but when it may be');
is(status($running), 'processing', 'beside the first');
is($t->request('POST', '/free')->{status}, 202, 'there is room again');
is($t->request('DELETE', $t->job_path($running))->{status}, 202, 'enough');


# --- the commands ---------------------------------------------------------

for my $command (qw(pause resume)) {
    my ($code, $out) = $t->command($command, 'nowhere');
    is($code, 3, "$command: a queue that is not there");
    is($out, "nginx-async: there is no queue \"nowhere\"\n",
       "$command: and says so");
    ($code, $out) = $t->command($command);
    is($code, 2, "$command: no queue");
    like($out, qr/"$command" wants the name of a QUEUE/,
         "$command: wants one");
    ($code) = $t->command($command, 'free', 'held');
    is($code, 2, "$command: two queues");
    ($code, $out) = $t->command($command, '--help');
    is($code, 0, "$command: --help");
    like($out, qr/^Usage: nginx-async \[--store DIR\] $command QUEUE\n/,
         "$command: says what it does");
}

is(($t->command('check'))[0], 0, 'the store is in order');
$t->done;
done_testing;
