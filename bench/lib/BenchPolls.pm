package BenchPolls;

# Status polls: beside the same bytes from a bare "return", and beside what
# people use instead.

use strict;
use warnings;

use Bench;
use BenchOurs;
use BenchPeers;


sub rows {
    my ($table, $rounds) = @_;
    bare($table, $rounds);
    peers($table, $rounds);
    return;
}


sub bare {
    my ($table, $rounds) = @_;
    my $ours   = BenchOurs->new('polls');
    my $t      = $ours->{t};
    my $done   = $ours->complete_one;
    my $queued = $t->job_path($ours->submit('/reports'));
    my $many   = quick() ? 100_000 : 1_000_000;

    for my $what (['one job that waits', $queued],
                  ['one job that has completed', "/jobs/$done"])
    {
        my ($title, $path) = @$what;

        $ours->imitate($t->get($path));
        my @pids = $ours->pids;
        my %of   = in_turn($rounds, {
            ours => sub { wrk("$ours->{url}$path", pids => \@pids) },
            bare => sub { wrk("$ours->{url}/bare/200", pids => \@pids) },
        });
        $table->pair("status polls/s, $title", 'return 200', \%of,
                     qw(ours bare rate), least => 0.95);
        $table->pair('  processor time for one, us', 'return 200', \%of,
                     qw(ours bare cpu), most => 1.4);
    }

    my $ids  = $ours->fill($done, $many);
    my $real = $ours->random_ids('real.lua', $ids, '/jobs/');
    my $same = $ours->random_ids('same.lua', $ids, '/bare/200?');
    my @pids = $ours->pids;
    my %of   = in_turn($rounds, {
        ours => sub { wrk($ours->{url}, script => $real, pids => \@pids) },
        bare => sub { wrk($ours->{url}, script => $same, pids => \@pids) },
    });
    $table->pair("status polls/s, $many jobs, random ids", 'return 200',
                 \%of, qw(ours bare rate), least => 0.80);
    $ours->stop;
    return;
}


sub peers {
    my ($table, $rounds) = @_;
    my $ours   = BenchOurs->new('polls-peers');
    my $t      = $ours->{t};
    my $path   = $t->job_path($ours->submit('/reports'));
    my $lua    = BenchPeers->lua($t);
    my $bullmq = BenchPeers->bullmq($t);

    $_->submit_one for $lua, $bullmq;

    my %of = in_turn($rounds, {
        ours   => sub { wrk("$ours->{url}$path", pids => [$ours->pids]) },
        lua    => sub { wrk($lua->{status}, pids => $lua->{pids}) },
        bullmq => sub { wrk($bullmq->{status}, pids => $bullmq->{pids}) },
    });
    $table->pair('status polls/s', 'nginx + Lua + Redis', \%of,
                 qw(ours lua rate), least => 2.5);
    $table->pair('status polls/s', 'fastify + BullMQ + Redis', \%of,
                 qw(ours bullmq rate), least => 8);

    $_->stop for $lua, $bullmq, $ours;
    return;
}


1;
