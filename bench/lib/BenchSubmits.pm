package BenchSubmits;

# Durable submits: beside a bare "return 202" of the same bytes, beside
# themselves without a key and an owner, and beside what people use instead.
# What was answered 202 is looked for in the store afterwards, and the syncs
# are counted.

use strict;
use warnings;

use AsyncTest;
use Bench;
use BenchOurs;
use BenchPeers;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);


sub rows {
    my ($table, $rounds) = @_;
    bare($table, $rounds);
    keyed($table, $rounds);
    latency($table);
    peers($table, $rounds);
    durable($table);
    return;
}


sub bare {
    my ($table, $rounds) = @_;
    my $ours = BenchOurs->new('submits');
    my $post = $ours->post;
    my $url  = "$ours->{url}/reports";

    $ours->imitate($ours->submit('/reports'));
    my @pids = $ours->pids;

    for my $row ([64, 0.35], [256, 0.50]) {
        my ($connections, $least) = @$row;
        my @load = (script => $post, connections => $connections,
                    pids => \@pids);
        my %of   = in_turn($rounds, {
            ours => sub { wrk($url, @load) },
            bare => sub { wrk("$ours->{url}/bare/202", @load) },
        });
        $table->pair("durable submits/s, $connections connections",
                     'return 202', \%of, qw(ours bare rate),
                     least => $least);
        $table->pair('  processor time for one, us', 'return 202', \%of,
                     qw(ours bare cpu), most => 2.5);
    }

    $ours->stop;
    return;
}


sub keyed {
    my ($table, $rounds) = @_;
    my $ours  = BenchOurs->new('submits-keyed');
    my $keyed = $ours->post_keyed('keyed.lua', 'Idempotency-Key', 'X-Owner',
                                  '/keyed');
    my $plain = $ours->post_keyed('plain.lua', 'X-Nothing-At-All', 'X-Other',
                                  '/reports');
    my @pids  = $ours->pids;
    my %of    = in_turn($rounds, {
        keyed => sub { wrk($ours->{url}, script => $keyed, pids => \@pids) },
        plain => sub { wrk($ours->{url}, script => $plain, pids => \@pids) },
    });
    $table->pair('durable submits/s, with key and owner', 'ours without',
                 \%of, qw(keyed plain rate), least => 0.6);
    $table->pair('  processor time for one, us', 'ours without', \%of,
                 qw(keyed plain cpu));
    $ours->stop;
    return;
}


# at half of what it can do: the time of each answer, from h2load's log
sub latency {
    my ($table) = @_;
    my $ours    = BenchOurs->new('submits-latency');
    my $t       = $ours->{t};
    my $url     = "$ours->{url}/reports";
    my $seconds = quick() ? 2 : 10;
    my $most    = wrk($url, script => $ours->post)->{rate};
    my $body    = $t->write_file('body', 'x' x 600);
    my $log     = $t->root . '/latency';
    my $each    = int($most / 2 / 32);
    my (@ours, @disk);

    for (1 .. 3) {
        push @disk, fdatasync_p99(AsyncTest::top() . '/build/bench/sync',
                                  $t->root, quick() ? 1000 : 4000);
        unlink $log;
        my $out = `h2load --h1 -t1 -c32 --rps=$each -D $seconds -d $body --log-file=$log $url 2>&1`;
        die "h2load: $out" if $? || $out =~ /, [1-9]\d* (?:failed|errored|timeout)/;

        my @times = sort { $a <=> $b }
                    map { (split /\t/)[2] / 1000 } split /\n/, slurp($log);
        push @ours, percentile(99, @times);
    }

    my ($one, $two) = map { my @s = sort { $a <=> $b } @$_;
                            { median => $s[1], min => $s[0], max => $s[2] } }
                      \@ours, \@disk;
    $table->row('submit latency p99 at half speed, ms',
                "the disk's fdatasync p99", $one, $two, most => 4);
    $ours->stop;
    return;
}


sub peers {
    my ($table, $rounds) = @_;

    for my $workers (1, 2) {
        my $ours   = BenchOurs->new("submits-peers$workers",
                                    workers => $workers);
        my $t      = $ours->{t};
        my $post   = $ours->post('Content-Type' => 'text/plain');
        my $lua    = BenchPeers->lua($t, workers => $workers);
        my $bullmq = BenchPeers->bullmq($t, servers => $workers);
        my $pgboss = BenchPeers->pgboss($t, servers => $workers);
        my $tube   = $workers == 1 && BenchPeers->beanstalkd($t);
        my %of     = in_turn($rounds, {
            ours   => sub { wrk("$ours->{url}/reports", script => $post,
                                pids => [$ours->pids]) },
            lua    => sub { wrk($lua->{submit}, script => $post,
                                pids => $lua->{pids}) },
            bullmq => sub { wrk($bullmq->{submit}, script => $post,
                                pids => $bullmq->{pids}) },
            pgboss => sub { wrk($pgboss->{submit}, script => $post,
                                pids => $pgboss->{pids}) },
            $tube ? (tube => sub { puts($tube) }) : (),
        });
        my $title = 'durable submits/s, ' . ('one nginx worker',
                                             'two nginx workers')[$workers - 1];

        $table->pair($title, 'nginx + Lua + Redis', \%of,
                     qw(ours lua rate), least => 2);
        $table->pair($title, 'fastify + BullMQ + Redis', \%of,
                     qw(ours bullmq rate), least => 3);
        $table->pair($title, 'fastify + pg-boss', \%of,
                     qw(ours pgboss rate), least => 15);
        $table->pair($title, 'beanstalkd -f0', \%of,
                     qw(ours tube rate), least => 5) if $tube;

        $_->stop for grep { $_ } $tube, $pgboss, $bullmq, $lua, $ours;
    }

    return;
}


# jobs put into beanstalkd, by its own protocol and 64 connections
sub puts {
    my ($peer) = @_;
    my $bytes = "put 4 0 60 600\r\n" . 'x' x 600 . "\r\n";
    my $end   = time + seconds();
    my $done  = 0;
    my @sockets = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $peer->{beanstalkd})
            or die "connect: $!";
    } 1 .. 64;
    my $select = IO::Select->new(@sockets);
    my $began  = time;

    syswrite $_, $bytes for @sockets;

    while (time < $end) {
        for my $socket ($select->can_read(1)) {
            sysread $socket, my $answer, 4096 or die 'beanstalkd closes';
            $answer =~ /^INSERTED \d+\r\n$/ or die "beanstalkd: $answer";
            $done++;
            syswrite $socket, $bytes;
        }
    }

    return { rate => $done / (time - $began) };
}


# every 202 names a job that is there, and none was sent before a sync
sub durable {
    my ($table) = @_;
    my $ours  = BenchOurs->new('submits-durable', count_syncs => 1);
    my $t     = $ours->{t};
    my $file  = $t->root . '/accepted';
    my $out   = $ours->script('accepted.lua', <<"END");
wrk.method = "POST"
wrk.body   = string.rep("x", 600)
local out = io.open("$file", "w")
response = function(status, headers)
    if status == 202 then out:write(headers["Location"], "\\n") end
end
END
    my ($syncs, $commits) = ($ours->syncs, $ours->commits);

    wrk("$ours->{url}/reports", script => $out);
    my @accepted = map { m{/jobs/([0-9a-f-]{36})$} ? $1 : () }
                   split /\n/, slurp($file);
    my %stored   = map { $_ => 1 } $ours->ids;
    my $missing  = grep { !$stored{$_} } @accepted;
    my $synced   = $ours->syncs - $syncs;
    my $written  = $ours->commits - $commits;

    printf "%d were answered 202, %d commits, %d syncs\n", scalar @accepted,
           $written, $synced;
    $table->fact('every submit that was accepted is stored',
                 @accepted > 100 && !$missing);
    $table->fact('every commit is synced', $written > 10
                                           && $synced >= $written);
    $ours->stop;
    return;
}


1;
