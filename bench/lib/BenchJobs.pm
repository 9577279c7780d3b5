package BenchJobs;

# Jobs from end to end: how many are executed in a second, how soon one that
# was submitted is seen to have completed, and what memory all of it takes.

use strict;
use warnings;

use AsyncTest;
use Bench;
use BenchOurs;
use BenchPeers;
use JSON::PP ();
use Time::HiRes qw(sleep time);


sub rows {
    my ($table, $rounds) = @_;
    executed($table, $rounds);
    end_to_end($table, $rounds);
    waiting($table);
    return;
}


# a backlog is worked off, 64 at a time
sub executed {
    my ($table, $rounds) = @_;
    my $count  = quick() ? 2000 : 20_000;
    my $ours   = BenchOurs->new('executed');
    my $t      = $ours->{t};
    my $bullmq = BenchPeers->bullmq($t);
    my $port   = $ours->{behind}->port('front');
    my $post   = $ours->post('Content-Type' => 'text/plain');
    my %of     = in_turn($rounds, {
        ours   => sub {
            submit_all("$ours->{url}/run", $post, $count, $t);
            my $before = $ours->{behind}->requests;
            $t->start_worker;
            my $rate = work_off($ours->{behind}, $before, $count);
            $t->stop_worker;
            return { rate => $rate };
        },
        bullmq => sub {
            submit_all($bullmq->{submit}, $post, $count, $t);
            my $before = $ours->{behind}->requests;
            my $name = $bullmq->work($port);
            my $rate = work_off($ours->{behind}, $before, $count);
            $bullmq->end($name);
            return { rate => $rate };
        },
    });
    $table->pair('jobs executed/s, 64 at a time', 'BullMQ worker, undici',
                 \%of, qw(ours bullmq rate), least => 2);
    $_->stop for $bullmq, $ours;
    return;
}


# exactly so many
sub submit_all {
    my ($url, $script, $count, $t) = @_;
    my $body = $t->write_file('body', document());
    my $out  = `h2load --h1 -t1 -c64 -n $count -d $body -H 'Content-Type: text/plain' $url 2>&1`;
    $out =~ /, 0 failed, 0 errored, 0 timeout/ && $out =~ /$count 2xx/
        or die "h2load: $out";
    return;
}


# from the first request that the backend sees to the last
sub work_off {
    my ($backend, $before, $count) = @_;
    my ($began, $from);

    while (1) {
        my $done = $backend->requests - $before;

        if ($done > $count / 10 && !$began) {
            ($began, $from) = (time, $done);
        }

        return ($done - $from) / (time - $began) if $done >= $count * 0.9;
        sleep 0.01;
    }
}


# at 200 jobs a second: a client that polls each millisecond; and memory
sub end_to_end {
    my ($table, $rounds) = @_;
    my $ours   = BenchOurs->new('end-to-end');
    my $t      = $ours->{t};
    my $port   = $ours->{behind}->port('front');
    my $lua    = BenchPeers->lua($t, jobs => 64, backend => $port);
    my $bullmq = BenchPeers->bullmq($t);
    my $store  = $t->store;

    $t->start_worker;
    $bullmq->work($port);

    my %of = in_turn($rounds, {
        ours   => sub { client($ours->{url}, '/run', [$ours->pids], $store) },
        lua    => sub { client($lua->{base}, '/reports', $lua->{pids}) },
        bullmq => sub { client($bullmq->{base}, '/reports', $bullmq->{pids}) },
    });

    for my $p (qw(p50 p99)) {
        $table->pair("submitted to seen completed, $p, ms",
                     'nginx + Lua + Redis', \%of, 'ours', 'lua', $p,
                     most => 1);
        $table->pair("submitted to seen completed, $p, ms",
                     'fastify + BullMQ + Redis', \%of, 'ours', 'bullmq', $p,
                     most => 1);
    }

    $table->pair('memory of all at 200 jobs/s, KB', 'nginx + Lua + Redis',
                 \%of, 'ours', 'lua', 'memory', most => 1 / 3);
    $table->pair('memory of all at 200 jobs/s, KB',
                 'fastify + BullMQ + Redis', \%of, 'ours', 'bullmq',
                 'memory', most => 1 / 3);
    $_->stop for $bullmq, $lua, $ours;
    return;
}


sub client {
    my ($base, $target, $pids, $file) = @_;
    my $top     = AsyncTest::top();
    my $seconds = quick() ? 2 : 10;
    my $out     = `node $top/bench/peers/client.js $base $target 200 $seconds`;
    die "the client failed\n" if $?;

    my $said = JSON::PP::decode_json($out);
    return { p50 => $said->{p50}, p99 => $said->{p99},
             memory => memory_of($pids, $file) };
}


# the worker beside a queue of 100,000; with Redis it is Redis that has them
sub waiting {
    my ($table) = @_;
    my $count = quick() ? 10_000 : 100_000;
    my $ours  = BenchOurs->new('waiting');
    my $t     = $ours->{t};
    my $lua   = BenchPeers->lua($t);

    $t->start_worker;
    sleep 1;
    my $before = anonymous_of($t->pid('worker'));

    submit_all("$ours->{url}/reports", undef, $count, $t);
    settle($ours->pids);

    my $after = anonymous_of($t->pid('worker'));
    submit_all($lua->{submit}, undef, $count, $t);

    $table->row("the worker's memory, $count jobs wait, KB", 'with none',
                $after, $before);
    $table->row("the worker's memory, $count jobs wait, KB",
                'nginx + Lua + Redis', $after, memory_of($lua->{pids}),
                most => 1 / 3);
    $_->stop for $lua, $ours;
    return;
}


1;
