#!/usr/bin/env perl

# Cancel against everything that can come in between: the end of the job, the
# death of the worker, a store that cannot be written.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use IPC::Open2;
use Test::More;


my $t = AsyncTest->new(workers => 2, http => <<'END');
    async_queue many concurrency=50;
    async_queue held concurrency=1;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /reports {
            async on queue=many;
            proxy_pass http://%%BACKEND%%;
        }

        location /again {
            async on queue=many;
            async_retry 5 backoff=10ms:10ms non_idempotent;
            proxy_pass http://%%BACKEND%%;
        }

        location /kept {
            async on queue=many;
            proxy_ignore_client_abort on;
            proxy_pass http://%%BACKEND%%;
        }

        location /held {
            async on queue=held;
            proxy_pass http://%%BACKEND%%;
        }

        location /jobs/ {
            async_status;
        }
    }
END

$t->start;

sub cancel { return $t->request('DELETE', $t->job_path($_[0])) }
sub status { return $t->get($t->job_path($_[0]))->json->{status} }

sub check {
    my ($what) = @_;
    my ($code, $out) = $t->command('check');
    is($code, 0, "$what: the store is in order") or diag($out);
    return;
}

# the job's line in the backend's log
sub seen {
    my ($job, $event) = @_;
    my ($id) = $t->job_path($job) =~ m{([^/]+)$};
    return grep { ($_->{job} // '') eq $id } $t->backend_log($event);
}


# --- while it runs --------------------------------------------------------

my $running = $t->submit('/reports?sleep=60', body => 'b');
ok(poll_until(20, sub { seen($running, 'arrived') }), 'the backend has it');
is(cancel($running)->{status}, 202, 'a job that runs: 202');
ok(poll_until(20, sub { seen($running, 'gone') }),
   'the backend sees its connection close');
my $job = $t->wait_job($running);
is($job->{status}, 'canceled', 'it is canceled');
ok($job->{outcomeUnknown}, 'what came of it is not known');

# where the backend is let finish
my $kept = $t->submit('/kept?sleep=1.5', body => 'b');
ok(poll_until(20, sub { seen($kept, 'arrived') }), 'another has one');
is(cancel($kept)->{status}, 202, 'it runs, too: 202');
is($t->wait_job($kept)->{status}, 'canceled', 'it is canceled');
ok(poll_until(20, sub { seen($kept, 'answered') }),
   'and its backend answers all the same');
is(scalar(seen($kept, 'gone')), 0, 'for its connection stays');

# while a response comes in
my $drip = $t->submit('/reports?drip=1&size=409600', body => 'b');
ok(poll_until(20, sub { seen($drip, 'arrived') }), 'the backend answers');
is(cancel($drip)->{status}, 202, 'in the middle of a response: 202');
is($t->wait_job($drip)->{status}, 'canceled', 'canceled');
is($t->get($t->job_path($drip) . '/result')->{status}, 409, 'no result');


# --- behind another -------------------------------------------------------

my $first  = $t->submit('/held?sleep=60');
ok(poll_until(20, sub { status($first) eq 'processing' }), 'one runs');
my $second = $t->submit('/held?sleep=60');
my $third  = $t->submit('/held');
is(cancel($second)->{status}, 200, 'one that waits behind it: 200');
is(cancel($first)->{status}, 202, 'the one that runs: 202');
is($t->wait_job($third)->{status}, 'completed', 'its place is free');
is($t->wait_job($second)->{status}, 'canceled', 'the second stays canceled');
is(scalar(seen($second, 'arrived')), 0, 'and never reached the backend');


# --- fifty that end at the same time --------------------------------------

sub race {
    my ($what, @targets) = @_;
    my @jobs    = map { $t->job_path($t->submit($_)) } @targets;
    my @answers = map { cancel($_) } @jobs;
    my %right   = (200 => qr/^canceled$/, 202 => qr/^(?:canceled|completed)$/,
                   409 => qr/^completed$/);
    my (%ends, @wrong, @moved);

    for my $n (0 .. $#jobs) {
        my $end    = $t->wait_job($jobs[$n])->{status};
        my $answer = $answers[$n]{status};
        $ends{"$answer $end"}++;
        push @wrong, "$answer $end"
            if $end !~ ($right{$answer} // qr/^$/);
        push @moved, $jobs[$n] if status($jobs[$n]) ne $end;
        push @wrong, 'a canceled job has a result' if $end eq 'canceled'
            && $t->get("$jobs[$n]/result")->{status} != 409;
    }

    note("$what: $_: $ends{$_}") for sort keys %ends;
    is_deeply(\@wrong, [], "$what: each ends as its answer said");
    is_deeply(\@moved, [], "$what: in one state");
    check($what);
    return;
}

race('jobs that end at once', map { "/reports?n=$_" } 1 .. 50);
race('jobs that take a while',
     map { '/reports?sleep=' . ($_ % 10) / 30 } 1 .. 50);
race('jobs that are tried again', map { '/again?fail=3' } 1 .. 50);


# --- the worker dies between the request and the cancel -------------------

my $orphan = $t->submit('/reports?sleep=60');
ok(poll_until(20, sub { seen($orphan, 'arrived') }), 'the backend has it');
kill 'STOP', $t->pid('worker');
my $answer = cancel($orphan);
is($answer->{status}, 202, 'a worker that does not listen: 202');
ok($answer->json->{cancelRequested}, 'cancelRequested');
$answer = cancel($orphan);
is($answer->{status}, 202, 'asked again: 202');
is(status($orphan), 'processing', 'it runs on');
$t->kill_worker;
$t->start_worker;
$job = $t->wait_job($orphan);
is($job->{status}, 'canceled', 'the next worker cancels it');
ok($job->{outcomeUnknown}, 'what came of it is not known');
is($job->{attempt}, 1, 'it was not run again');
is(cancel($orphan)->{status}, 200, 'once more: 200');
check('a worker that died');


# --- nobody is there ------------------------------------------------------

ok($t->stop_worker, 'no worker');
my $alone = $t->submit('/reports');
is(cancel($alone)->{status}, 200, 'a cancel needs none');


# --- the store cannot be written ------------------------------------------

my $waits = $t->submit('/reports');
my $pid = open2(my $said, my $hold, "$t->{top}/build/store-probe", 'door',
                $t->store);
like(scalar <$said>, qr/held/, 'somebody holds the door');
$answer = cancel($waits);
is($answer->{status}, 503, 'a cancel that cannot be written in time: 503');
is($answer->json->{code}, 'store-unavailable', 'the code');
ok($answer->header('Retry-After'), 'Retry-After');
is(status($waits), 'queued', 'and nothing has happened');
close $hold;
waitpid $pid, 0;
is(cancel($waits)->{status}, 200, 'then it can');

$t->start_worker;
check('the end');
$t->done;
done_testing;
