#!/usr/bin/env perl

# Schedules fire once: after a worker was killed around the time, and after
# none was there; and a thousand of them at one time.  Which times, by the
# millisecond: t/unit/worker/async_firing*_test.c.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncLoad;
use AsyncSchedule;
use AsyncTest;
use Test::More;
use Time::HiRes qw(sleep time);


my $kills = scale(8, 100);
my $many  = 1000;


# unix seconds when a job was made, by the worker's clock
sub made {
    my ($job) = @_;
    my $hex = substr $job->{id} =~ tr/-//dr, 0, 12;
    return unpack('Q>', pack 'H16', "0000$hex") / 1000;
}

sub jobs_of {
    my ($t, $key) = @_;
    return grep { $_->{uri} =~ /[?&]key=$key\b/ } jobs_in_store($t);
}


# --- misfires, after a stop -----------------------------------------------

my $t = AsyncTest->new(workers => 1, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        async_schedule once   "* * * * *"    POST /run?key=once;
        async_schedule all    "* * * * *"    POST /run?key=all  misfire=all
                       overlap=allow;
        async_schedule full   "* * * * *"    POST /run?key=full&sleep=1
                       misfire=all;
        async_schedule skip   "* * * * *"    POST /run?key=skip misfire=skip;
        async_schedule hourly "*/30 * * * *" POST /run?key=hour misfire=skip;
        async_schedule late   "*/30 * * * *" POST /run?key=late;

        location /run   { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

# a clock that begins shortly before: no jump, which would make us wait
my $s = AsyncSchedule->new($t);
$s->set(1800 * int(time / 1800) + 1780);
$t->start_backend;
$s->start;
$s->before('late');
ok($s->fired($_, 1), "on time: $_") for qw(once all skip hour late);
$s->before('once');
ok($s->fired($_, 2), "a minute later: $_") for qw(once all skip);
$s->ready;

my $due = AsyncSchedule::seconds($s->all->{late}{nextRunAt});
my $was = AsyncSchedule::seconds($s->all->{once}{nextRunAt});
$t->stop_worker;
$s->set($due + 90);
my $missed = 1 + int(($s->now - $was) / 60);
my $full   = $s->runs('full');
$s->start;

ok($s->fired('once', 3), "$missed were missed: once, one run for all");
ok($s->fired('all', 2 + $missed), 'all: a run for each');
ok(poll_until(30, sub { $s->runs('full') >= $full + $missed - 1 }),
   'all of one that may not overlap: a run for each that is late');
ok(poll_until(30, sub {
    $s->runs('full') + $s->all->{full}{skipped} == 2 + $missed
}), 'and no other while they run');
ok($s->fired('skip', 3), 'skip: the one that is 30 s late');
ok($s->fired('late', 2), 'once: one that is 90 s late');
$s->ready;
is(scalar($s->runs('hour')), 1, 'skip: one that is 90 s late is none');
cmp_ok($s->all->{hourly}{skipped}, '>=', 1, 'and is told of');

$s->before('once');
ok($s->fired($_, 4), "then on time: $_") for qw(once skip);
is(scalar($s->runs('late')), 2, 'and no more of the rest');
AsyncLoad::check_clean($t, 'misfires');
$t->done;


# --- killed around the time -----------------------------------------------

$t = AsyncTest->new(name => 'schedule-kill', workers => 2, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;

        async_schedule each "* * * * *" POST /run?key=each misfire=all
                       overlap=allow;

        location /run   { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

$s = AsyncSchedule->new($t);
$t->start_backend;
$s->start;
seeded();

my (@times, $after);

for my $kill (1 .. $kills) {
    push @times, $s->before('each', -0.1);
    $t->submit('/run?key=bell');          # wakes it: it sees the clock
    sleep 0.05 + rand 0.1;
    $t->kill_worker;
    $after += jobs_of($t, 'each') == $kill;
    $s->start;
    poll_until(30, sub {
        my $next = $s->all->{each}{nextRunAt};
        return $next && AsyncSchedule::seconds($next) > $times[-1];
    }) or die "time $kill is not fired";
}

# a job that was killed while it ran has failed, and is one all the same
my %minutes;
$minutes{ 60 * int(made($_) / 60) }++ for jobs_of($t, 'each');
is_deeply(\%minutes, { map { $_ => 1 } @times },
          "$kills kills around the time: each time once");
note("$after of them after the firing, ", $kills - $after, ' before');

ok(poll_until(60, sub {
       !grep { $_->{status} !~ /completed|failed/ } jobs_of($t, 'each');
   }), 'all jobs have ended');

my %arrived;
$arrived{ $_->{job} }++ for $s->runs('each');
cmp_ok(scalar(keys %arrived), '<=', $kills, 'no job is another');
is(scalar(grep { $_ > 1 } values %arrived), 0, 'none was sent twice');
AsyncLoad::check_clean($t, 'kills');
$t->done;


# --- a thousand -----------------------------------------------------------

my $lines = join "\n", map {
    "async_schedule s$_ \"0 * * * *\" POST /run?key=s$_ tz=Europe/Berlin;"
} 1 .. $many;

$t = AsyncTest->new(name => 'schedule-many', workers => 1, http => <<"END");
    async_queue held paused;

    server {
        listen 127.0.0.1:%%PORT%%;
        $lines
        location /run   { async on queue=held; return 204; }
        location /jobs/ { async_status; }
    }
END

$s = AsyncSchedule->new($t);
$s->set(3600 * int(time / 3600) + 3570);
$s->start;
my $all = $s->ready;
is(scalar(keys %$all), $many, "$many schedules");

$due = $s->before('s1', -1);
my @jobs;
ok(poll_until(60, sub { $many == (@jobs = jobs_in_store($t)) }),
   'all of them fire');
my ($last) = sort { $b <=> $a } map { made($_) - $due } @jobs;
note(sprintf 'the last of them %.3f s after its time', $last);
my %keys = map { $_->{uri} => 1 } @jobs;
is(scalar(keys %keys), $many, 'each once');
AsyncLoad::check_clean($t, 'a thousand');
$t->done;

done_testing;
