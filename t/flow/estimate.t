#!/usr/bin/env perl

# Estimates follow what the backend does: its speed, the place in the queue,
# and they outlast reloads, restarts and a change of the location's settings.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;
use Time::HiRes qw(time);
use Time::Local qw(timegm);


my $t = AsyncTest->new(http => <<'END');
    async_queue many concurrency=16;
    async_queue one concurrency=1;
    async_queue slow rate=1r/s;

    server {
        listen 127.0.0.1:%%PORT%%;

        location /many { async on queue=many; proxy_pass http://%%BACKEND%%; }
        location /one  { async on queue=one;  proxy_pass http://%%BACKEND%%; }
        location /slow { async on queue=slow; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END

$t->start;

# ms since 1970
sub ms {
    my ($y, $mo, $d, $h, $m, $s, $ms) =
        $_[0] =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)Z$/ or return;
    return timegm($s, $m, $h, $d, $mo - 1, $y) * 1000 + $ms;
}

# n jobs at once, all completed
sub run {
    my ($target, $n) = @_;
    my @paths = map { $t->job_path($t->submit($target)) } 1 .. $n;
    my %state;

    $state{ $t->wait_job($_)->{status} }++ for @paths;
    is_deeply(\%state, { completed => $n }, "$n of $target are completed");
    return;
}

# what a job that runs for long is believed to take, in ms: polled until that
# is what the sub wants
sub believed {
    my ($target, $wanted) = @_;
    my $path = $t->job_path($t->submit($target));
    my $took;

    my $right = poll_until(5, sub {
        my $json = $t->get($path)->json;
        return if !$json->{startedAt} || !$json->{estimatedCompletionAt};
        $took = ms($json->{estimatedCompletionAt}) - ms($json->{startedAt});
        return $wanted->($took);
    });

    diag('believed to take ' . ($took // 'nothing')) if !$right;
    $t->wait_job($path);
    return $right;
}


# --- speed ----------------------------------------------------------------

run('/many?sleep=0.1', 20);

my $accepted;
ok(poll_until(5, sub {
    $accepted = $t->submit('/many?sleep=0.1');
    $accepted->header('Retry-After') == 1;
}), 'a backend that takes a tenth of a second: Retry-After is 1');

my $json = $accepted->json;
my $left = ms($json->{estimatedCompletionAt}) - ms($json->{createdAt});
cmp_ok($left, '>',  0,     'estimatedCompletionAt is to come');
cmp_ok($left, '<', 10_000, 'and not far');

# 40, so that the odd 202s of above count for nothing
run('/many?sleep=2', 40);

ok(believed('/many?sleep=3', sub { $_[0] >= 1900 }),
   'after it became slow, jobs are believed to take long');

run('/many?sleep=0.1', 40);

ok(believed('/many?sleep=1', sub { $_[0] < 1900 }),
   'after it became fast again, they are not');


# --- place ----------------------------------------------------------------

run('/one?sleep=1', 1);

my @paths = map { $t->job_path($t->submit("/one?sleep=1&n=$_")) } 1 .. 8;
my @answers;

# what is known of a queue may be a second old, so that not each look at all
# of them is of one moment
ok(poll_until(6, sub {
    @answers = map { $t->get($_) } @paths;
    my @times = map { ms($_->{estimatedCompletionAt} // $_->{finishedAt}
                         // return) } map { $_->json } @answers;
    return $times[7] - $times[0] > 2000
           && "@times" eq join ' ', sort { $a <=> $b } @times;
}), 'eight that take turns are done one after another');

ok(!exists $answers[7]->json->{percentComplete},
   'no percentage while it waits');
cmp_ok($answers[7]->header('Retry-After'), '>=', 2,
       'who is far behind need not ask soon');

$t->wait_job($_) for @paths;


# --- pace -----------------------------------------------------------------

run('/slow', 1);

@paths = map { $t->job_path($t->submit('/slow')) } 1 .. 25;

my $last;
ok(poll_until(6, sub {
    $last = $t->get($paths[24]);
    my $json = $last->json;
    return $json->{estimatedCompletionAt}
           && ms($json->{estimatedCompletionAt}) - 1000 * time > 3000;
}), 'a queue with a rate: who is far behind is not done soon');
cmp_ok($last->header('Retry-After'), '>', 3, 'and need not ask soon');

is(($t->command('pause', 'slow'))[0], 0, 'the queue is paused');
ok(poll_until(4, sub {
    $last = $t->get($paths[24]);
    return !exists $last->json->{estimatedCompletionAt};
}), 'nobody knows when a job of a paused queue is done');
is($last->header('Retry-After'), 5, 'Retry-After is that of nothing learned');

is(($t->command('resume', 'slow'))[0], 0, 'the queue is resumed');
ok(poll_until(4, sub {
    $t->get($paths[24])->json->{estimatedCompletionAt};
}), 'then it is known again');


# --- and it stays ---------------------------------------------------------

$t->{http} =~ s/location \/one  \{/location \/one  { async_timeout 7m;/
    or die 'no location';
$t->reload;

ok(believed('/one?sleep=2', sub { $_[0] >= 900 && $_[0] < 5000 }),
   'what was learned outlasts a reload and other settings');

ok($t->stop_worker, 'the worker ends');
ok($t->stop_nginx, 'nginx ends');
$t->start_nginx;
$t->start_worker;

ok(believed('/one?sleep=2', sub { $_[0] >= 900 && $_[0] < 5000 }),
   'and a restart');

is(($t->command('check'))[0], 0, 'the store is sound');

$t->done;
done_testing;
