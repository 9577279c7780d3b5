#!/usr/bin/env perl

# Whoever holds the store's write lock is stopped (SIGSTOP): a tool, the
# worker, a worker of nginx.  Other locations do not notice, not even when
# nginx reloads meanwhile; submits are refused in time; and what was refused
# is not done when the process goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncHistory;
use AsyncLoad;
use AsyncTest;
use List::Util qw(max);
use Test::More;
use Time::HiRes qw(sleep time);


my $seconds = scale(3, 20);       # of a stop
my $turn    = 2;                  # ms, in which others take their turns
my $http    = <<'END';
    keepalive_requests 1000000;

    server {
        listen 127.0.0.1:%%PORT%% backlog=1024;

        location / {
            async on;
            proxy_pass http://%%BACKEND%%;
        }

        location /static {
            alias %%ROOT%%/html/static;
        }

        location /jobs/ {
            async_status;
        }
    }
END

my ($t, $load, $history, $ask);


sub fresh {
    my ($name) = @_;
    $t = AsyncTest->new(name => "stop-$name", workers => 2, http => $http);
    $t->write_file('html/static', "static\n");
    $t->start;

    # no connection of before the stop: a stopped nginx worker keeps those
    $load = AsyncLoad->start($t, connections => 400, rate => 100, fresh => 1,
        request => sub {
            my ($n) = @_;
            return ($n % 2 ? 'POST' : 'PUT', "/?key=$n&echo=1",
                    "body of $n\n" x ($n % 100));
        });
    $history = AsyncHistory->new($t, $load);
    poll_until(30, sub { $load->answers > 50 }) or die 'nothing is accepted';
    return;
}


# A period with a reload in its middle; the times of the static location in
# it, in ms.  The client starts anew: its connections are of this period.
sub period {
    my ($name, $length) = @_;
    my $ask = AsyncFault->ask($t, '/static', rate => 500, connections => 8,
                              name => 'ask');
    my $end = time + $length;

    sleep $length / 2;
    my $began = time;
    kill 'HUP', $t->pid('nginx');
    my $fresh = poll_until(30, sub {
        my $answer = $t->get('/static', timeout => 1);
        return $answer && $answer->{status} == 200;
    });
    my $took = time - $began;
    ok($fresh && $took < 1, "$name: the location answers in a reload")
        or diag("after $took s");
    sleep $end - time if $end > time;

    my @answers = $ask->stop;
    my @times   = map { $_->{seconds} * 1000 } @answers;
    my %p = (p50 => percentile(0.5, @times), p99 => percentile(0.99, @times),
             max => max(@times));

    note(sprintf '%s: %d answers, p50 %.2f, p99 %.2f, at most %.1f ms', $name,
         scalar(@times), @p{qw(p50 p99 max)});
    is(scalar(grep { $_->{status} != 200 } @answers), 0,
       "$name: the location has answered every request");
    return \%p;
}


# A submit waits for the lock for up to 2 s, and so would whoever shared its
# wait.  Before and after the stop are measured too, and how far these two
# differ is this machine's doing; only the long stop has enough answers for
# their p99 to tell more than the turns that client, load, backend and nginx
# take on few processors.
sub compare {
    my ($name, $during, @free) = @_;
    my $most = max(1.2 * max(map { $_->{p99} } @free), $turn);

    cmp_ok($during->{max}, '<', 1000,
           "$name: nobody waited there as if for the lock");
    cmp_ok($during->{p99}, '<=', $most,
           "$name: p99 of the location is within 1.2 of before and after")
        if scale(0, 1);
    return;
}


# nobody gets a 202 for a while: the lock is held
sub stuck {
    my ($while) = @_;
    my $mark = $load->accepted;
    sleep $while;
    return $load->accepted == $mark;
}


# in this time of its stop every submit that was begun and answered was
# refused, in time
sub refused_in_time {
    my ($name, $from, $to) = @_;
    my @during = grep { $_->{at} - $_->{seconds} > $from + 0.1
                        && $_->{at} - $_->{seconds} < $to - 2.6 }
                 $load->submits;
    my %status;
    $status{ $_->{status} // $_->{error} }++ for @during;
    my $slowest = max(0, map { $_->{seconds} } @during);

    note(sprintf '%s: %d submits in %.1f s, %s, the slowest %.2f s', $name,
         scalar(@during), $to - $from,
         join(', ', map { "$status{$_} were $_" } sort keys %status),
         $slowest);
    is_deeply([keys %status], [503], "$name: submits were refused");
    cmp_ok($slowest, '<=', 2.5, "$name: within 2.5 s");
    return;
}


sub stopped_for {
    my ($name, $pid, $from) = @_;
    my $during = period("$name, stopped", $seconds);
    my $to     = time;

    kill 'CONT', $pid;
    return ($during, $from, $to);
}


sub afterwards {
    my ($name, $during, $before, $from, $to) = @_;

    ok(poll_until(30, sub { !stuck(0.2) }), "$name: then jobs go on");
    my $after = period("$name, after", $seconds);

    $load->stop;
    refused_in_time($name, $from, $to);
    compare($name, $during, $before, $after);
    $history->check(name => $name, seconds => 90);
    $t->done;
    return;
}


# --- a tool, in the middle of a transaction -------------------------------

fresh('tool');
my $before = period('a tool, before', $seconds);

pipe my $out, my $in or die $!;
my $pid = fork // die $!;
if (!$pid) {
    close $in;
    open STDIN, '<&', $out;
    open STDOUT, '>', $t->root . '/holder.log';
    exec AsyncTest::top() . '/build/store-probe', 'door', $t->store;
}
close $out;
$t->{pids}{holder} = $pid;
ok(poll_until(30, sub { (slurp($t->root . '/holder.log') // '') =~ /held/ }),
   'a tool: it holds the lock');
kill 'STOP', $pid;
my @stop = stopped_for('a tool', $pid, time);
close $in;
ok($t->wait_end('holder', 10), 'a tool: it ends');
afterwards('a tool', shift @stop, $before, @stop);


# --- who does the work ----------------------------------------------------

# stops a process until it happens to hold the lock; when it was stopped
sub stop_holder {
    my ($name, $pid) = @_;

    for my $try (1 .. 200) {
        my $from = time;
        kill 'STOP', $pid;
        if (stuck(0.15) && stuck(0.35)) {
            note("$name: held the lock at stop number $try");
            return $from;
        }
        kill 'CONT', $pid;
        sleep rand 0.03;
    }

    die "$name never held the lock";
}

fresh('worker');
$before = period('the worker, before', $seconds);
$pid = $t->pid('worker');
@stop = stopped_for('the worker', $pid, stop_holder('the worker', $pid));
afterwards('the worker', shift @stop, $before, @stop);

fresh('nginx');
$before = period('an nginx worker, before', $seconds);
($pid) = $t->nginx_workers;
@stop = stopped_for('an nginx worker', $pid,
                    stop_holder('an nginx worker', $pid));
afterwards('an nginx worker', shift @stop, $before, @stop);

done_testing;
