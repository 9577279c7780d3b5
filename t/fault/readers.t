#!/usr/bin/env perl

# Somebody takes all reader slots of the store, and lets go, or dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncLoad;
use AsyncPreload;
use AsyncTest;
use IPC::Open2;
use Test::More;
use Time::HiRes qw(time);


my $t = AsyncTest->new(workers => 2, http => <<'END');
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { async on; proxy_pass http://%%BACKEND%%; }
        location /jobs/ { async_status; }
        location /static { return 200 "here"; }
    }
END
$t->start;

my $job = $t->job_path($t->submit('/?key=1', body => 'b'));
is($t->wait_job($job)->{status}, 'completed', 'a store that works');


# takes what is left; the pid and a handle, which lets go when it is closed
sub take_all {
    my $pid = open2(my $out, my $in, fault_program($t, 'readers'), $t->store,
                    4096);
    $t->{pids}{readers} = $pid;
    my $line = <$out>;
    like($line, qr/^readers \d{4}: .*MDB_READERS_FULL/,
         'all reader slots are taken');
    note($line);
    return ($pid, $in);
}


sub answers {
    my ($name) = @_;
    my (%submits, %statuses, @unknown);

    for my $n (1 .. 20) {
        my $answer = $t->request($n % 2 ? 'POST' : 'PUT', "/?key=$n",
                                 body => 'b');
        my $json = eval { $answer->json } || {};
        push @{ $submits{ $answer->{status} } }, $answer;
        push @unknown, $n if $json->{outcome};
        $statuses{ $t->get($job)->{status} }++;
        is($t->get('/static')->{body}, 'here', "$name: others are served")
            if $n == 20;
    }

    note("$name: submits ", join(', ', map { "$_ " . @{ $submits{$_} } }
                                       sort keys %submits),
         '; statuses ', join ', ', map { "$_ $statuses{$_}" }
                                   sort keys %statuses);
    is_deeply(\@unknown, [], "$name: the outcomes are known");
    is_deeply([grep { !/^(?:202|503)$/ } keys %submits], [],
              "$name: submits are accepted or 503");
    is_deeply([grep { !/^(?:200|503)$/ } keys %statuses], [],
              "$name: statuses are told or 503");
    return @{ $submits{202} || [] };
}


sub back {
    my ($name, @accepted) = @_;
    my $began = time;
    my $answer;

    ok(poll_until(15, sub {
           $answer = $t->request('POST', '/', body => 'b');
           return $answer->{status} == 202;
       }), "$name: submits are accepted") or diag($answer->{body});
    note(sprintf '%s: after %.2f s', $name, time - $began);
    ok(poll_until(15, sub { $t->get($job)->{status} == 200 }),
       "$name: statuses are told");
    is_deeply([grep { $_ ne 'completed' }
               map { $t->wait_job($_)->{status} } @accepted, $answer], [],
              "$name: what was accepted has run");
    ok(poll_until(15, sub { ($t->command('check'))[0] == 0 }),
       "$name: the store can be checked");
    AsyncLoad::check_clean($t, $name);
    return;
}


# --- and lets go ----------------------------------------------------------

my ($pid, $handle) = take_all();
my @accepted = answers('all are taken');
my ($code, $said) = $t->command('check');
is($code, 1, 'a tool cannot read it');
like($said, qr/READERS_FULL|reader/i, 'and says why') or diag($said);

# new processes come, and find no slot
$t->reload;
push @accepted, answers('after a reload');
close $handle;
ok($t->wait_end('readers', 20), 'he lets go');
back('let go', @accepted);


# --- or dies --------------------------------------------------------------

($pid, $handle) = take_all();
$t->reload;
@accepted = answers('taken again');
kill 'KILL', $pid;
ok($t->wait_end('readers', 20), 'he dies');
back('dead', @accepted);


# --- and none is left for the worker --------------------------------------

$t->stop_worker;
($pid, $handle) = take_all();
$t->start_worker;
ok($t->wait_end('worker', 20), 'a worker that finds no slot ends');
is($? >> 8, 1, 'with status 1');
like(slurp($t->root . '/worker.log'), qr/READERS_FULL/, 'and says why');
@accepted = answers('no worker');

# nobody has looked after the readers since
kill 'KILL', $pid;
ok($t->wait_end('readers', 20), 'he dies');
$t->start_worker;
back('a worker again', @accepted);
$t->done;
done_testing;
