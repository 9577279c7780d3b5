#!/usr/bin/env perl

# 500 streams on jobs that are queued, delayed and retried, through reloads:
# each is told every state once and in order, however often it was cut, and
# old nginx workers do not stay for the sake of streams.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncStream;
use AsyncTest;
use IO::Poll qw(POLLIN POLLHUP POLLERR);
use Test::More;
use Time::HiRes qw(sleep time);

my $reloads = scale(4, 50);
my $watches = 500;
my $jobs    = 100;
my $pause   = 1.2;          # s between two reloads

seeded();

my $t = AsyncTest->new(workers => 2, connections => 2048, http => <<'END');
    async_queue held paused max_queued=1000 concurrency=4;
    async_estimate off;         # what is estimated is no state, and has no id

    server {
        listen 127.0.0.1:%%PORT%% reuseport backlog=1024;

        location /held  { async on queue=held; proxy_pass http://%%BACKEND%%; }
        location /later { async on; async_delay $arg_at;
                          proxy_pass http://%%BACKEND%%; }
        location /again { async on; async_delay $arg_at;
                          async_retry 5 backoff=200ms:1s;
                          proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
    }
END
$t->start;


# workers of nginx, those that are shutting down included
sub all_workers {
    return grep { (slurp("/proc/$_/cmdline") // '') =~ /worker process/ }
           AsyncTest::children_of($t->pid('nginx'));
}


my $time  = $reloads * $pause;
my @paths = map {
    my $at     = 1 + int rand $time;
    my $target = ('/held?x=1', "/later?at=$at", "/again?fail=2&at=$at")[$_ % 3];
    $t->job_path($t->submit($target, method => 'PUT'))
} 1 .. $jobs;

# what a browser does: comes back after a moment, with the last id
my $poll = IO::Poll->new;
my (%by_socket, @later);
my @watch = map { { path => $paths[$_ % $jobs], events => [], opens => 0,
                    cut => 0 } } 0 .. $watches - 1;


sub come {
    my ($w) = @_;
    my $s = AsyncStream->open($t, "$w->{path}/events", last => $w->{last});
    return push @later, [time + 0.2, $w] if !$s;

    $w->{opens}++;
    $w->{stream} = $s;
    $s->{events} = $w->{events};
    $by_socket{ $s->socket } = $w;
    $poll->mask($s->socket => POLLIN | POLLHUP | POLLERR);
    return;
}


sub read_some {
    my ($seconds) = @_;
    my $deadline = time + $seconds;

    do {
        my $time = time;
        my @now  = grep { $_->[0] <= $time } @later;
        @later   = grep { $_->[0] > $time } @later;
        come($_->[1]) for @now;
        $poll->poll(0.05);

        for my $socket ($poll->handles(POLLIN | POLLHUP | POLLERR)) {
            my $w = $by_socket{$socket};
            my $s = $w->{stream};
            next if $s->take;

            $poll->remove($socket);
            delete $by_socket{$socket};
            $w->{last} = $s->{last};
            $w->{cut}++ if $s->ended ne 'whole';
            $w->{refused} = $s->{head}{status}
                if $s->{head} && $s->{head}{status} !~ /^20[04]$/;
            close $s->socket;

            if ($s->{head} && $s->{head}{status} == 204) {
                $w->{done} = 1;
            } else {
                push @later, [time + rand 0.3, $w];
            }
        }
    } while (time < $deadline && grep { !$_->{done} } @watch);

    return;
}


come($_) for @watch;
ok(poll_until(30, sub {
    read_some(0.2);
    return !grep { !@{ $_->{events} } } @watch;
}), 'all have their first event');

my $most = 0;

for my $n (1 .. $reloads) {
    kill 'HUP', $t->pid('nginx');
    $t->command('resume', 'held') if $n == int($reloads / 2);
    read_some($pause);
    my $now = () = all_workers();
    $most = $now if $now > $most;
}

ok(poll_until(5, sub { read_some(0.1); 2 == all_workers() }),
   'soon after a reload there is one generation of nginx workers')
    or diag(scalar(all_workers()) . ' nginx workers');
note("at most $most nginx workers, 2 in each generation");

poll_until(90, sub { read_some(0.5); return !grep { !$_->{done} } @watch });
is(scalar(grep { !$_->{done} } @watch), 0, 'all are told of the end');
is(scalar(grep { $_->{cut} } @watch), 0, 'each stream ended in good order');
is(scalar(grep { $_->{refused} } @watch), 0, 'and none was refused');

my $opens = 0;
$opens += $_->{opens} for @watch;
cmp_ok($opens, '>', 2 * $watches, "they came $opens times");

my %lines = map {
    my @events = @{ $t->get("$_/history")->json->{events} };
    ($_ => \@events)
} @paths;
my @wrong;

for my $w (@watch) {
    my @seen  = map { [@$_{qw(id event)}] } @{ $w->{events} };
    my $first = shift @seen;
    my @lines = map { [@$_{qw(seq event)}] }
                grep { $_->{seq} > $first->[0] } @{ $lines{ $w->{path} } };
    next if "@{[map { @$_ } @seen]}" eq "@{[map { @$_ } @lines]}";
    push @wrong, "$w->{path}: @{[map { @$_ } $first, @seen]}\n  instead of "
                 . "@{[map { @$_ } @lines]}";
}

is(scalar(@wrong), 0, 'each was told every state, and none twice')
    or diag(@wrong[0 .. ($#wrong < 5 ? $#wrong : 5)]);

my ($code, $said) = $t->command('check');
is($code, 0, 'the store is sound') or diag($said);

$t->done;
done_testing;
