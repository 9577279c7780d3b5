#!/usr/bin/env perl

# The binary of nginx is upgraded under load, forward and back: nothing is
# lost, nothing is done twice, and the private sockets stay where they are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncFault;
use AsyncHistory;
use AsyncLoad;
use AsyncTest;
use Test::More;


my $rounds = scale(1, 10);
my $t      = AsyncTest->new(workers => 2, daemon => 'on', http => <<'END');
    async_queue default concurrency=64;

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

$t->start;

my $load = AsyncLoad->start($t, connections => 16, rate => 100, resend => 1,
    request => sub {
        my ($n) = @_;
        my $seconds = $n % 10 > 1 ? 0.05 : 1.5;
        return ($n % 2 ? 'POST' : 'PUT', "/work?sleep=$seconds&key=$n",
                "body $n");
    });
my $history = AsyncHistory->new($t, $load);


# submits are accepted and jobs run, with the masters as they are now
sub goes_on {
    my ($what) = @_;
    my $accepted = $load->accepted;
    my $answered = $t->backend_count('answered');

    ok(poll_until(30, sub {
           $load->accepted > $accepted + 30
           && $t->backend_count('answered') > $answered + 30;
       }), "$what: submits are accepted, jobs run");
    my @sockets = grep { -S } glob $t->store . '/run/*.sock';
    is(scalar(@sockets), 1, "$what: the private socket is there");
    $history->look;
    return;
}


sub workers_of {
    my ($master) = @_;
    return grep { (slurp("/proc/$_/cmdline") // '') =~ /worker process/ }
           AsyncTest::children_of($master);
}


goes_on('before');

for my $round (1 .. $rounds) {

    # forward: the old master is told to go as soon as the new one is there
    my $old = $t->upgrade;
    goes_on("round $round, two masters");
    $t->{pids}{old} = $old;
    ok($t->stop('old', 'QUIT', 60), "round $round: the old master ends");
    goes_on("round $round, forward");

    # back: the old one's workers leave, return, and the new master goes
    $old = $t->upgrade;
    my $new = $t->pid('nginx');
    kill 'WINCH', $old;
    ok(poll_until(60, sub { !workers_of($old) }),
       "round $round: the old master lets its workers go");
    goes_on("round $round, the new master alone");
    kill 'HUP', $old;
    ok(poll_until(30, sub { workers_of($old) == 2 }),
       "round $round: it has workers again");
    $t->{pids}{nginx} = $old;
    $t->{pids}{new}   = $new;
    ok($t->stop('new', 'QUIT', 60), "round $round: the new master ends");
    goes_on("round $round, back");
}

# and once more, after all that
my $old = $t->upgrade;
$t->{pids}{old} = $old;
ok($t->stop('old', 'QUIT', 60), 'the last: the old master ends');
goes_on('the last');

my @submits = $load->stop;
is_deeply([grep { ($_->{status} // 0) != 202 } @submits], [],
          'no submit failed');
my $counts = $history->check(name => 'upgrades', seconds => 90);
is($counts->{'PUTs that ran again'} // 0, 0,
   'nothing ran twice, not even a PUT');

$t->done;
is_deeply([glob $t->store . '/run/*.sock'], [],
          'who stops last takes the socket along');
done_testing;
