package BenchGrowth;

# What it costs as it grows: stores with few and with many jobs, side by side,
# each with an nginx of its own; and the bytes that a job takes.

use strict;
use warnings;

use AsyncTest;
use Bench;
use BenchOurs;
use BenchPeers;

my $gigabyte = 1 << 20;         # in KB


sub rows {
    my ($table, $rounds) = @_;
    growth($table, $rounds);
    bytes($table);
    return;
}


sub growth {
    my ($table, $rounds) = @_;
    my @sizes = quick() ? (10_000, 100_000) : (10_000, 100_000, 1_000_000);

    # ten million take as many KB twice over
    push @sizes, 10_000_000 if !quick() && free_kb() > 60 * $gigabyte;

    my (%of, %ours);

    for my $size (@sizes) {
        my $ours = BenchOurs->new("growth-$size");
        my $ids  = $ours->fill($ours->complete_one, $size);
        warm($ours->{t}->store . '/db/data.mdb');
        $ours{$size} = { ours => $ours, post => $ours->post,
                         poll => $ours->random_ids('poll.lua', $ids,
                                                   '/jobs/') };
    }

    my %submits = in_turn($rounds, { map {
        my $at = $ours{$_};
        $_ => sub { wrk("$at->{ours}{url}/reports", script => $at->{post}) };
    } @sizes });
    my %polls = in_turn($rounds, { map {
        my $at = $ours{$_};
        $_ => sub { wrk($at->{ours}{url}, script => $at->{poll}) };
    } @sizes });

    for my $size (@sizes[1 .. $#sizes]) {
        my @mark = $size >= 10_000_000 ? (least => 0.6)
                 : $size >= 1_000_000  ? (least => 0.8) : ();
        $table->pair("submits/s, $size jobs stored", 'with 10000',
                     \%submits, $size, 10_000, 'rate', @mark);
        $table->pair("polls/s, $size jobs stored", 'with 10000',
                     \%polls, $size, 10_000, 'rate', @mark);
    }

    $_->{ours}->stop for values %ours;
    return;
}


# into memory, as far as it fits: the disk's reads are not what is measured
sub warm {
    my ($file) = @_;
    open my $in, '<', $file or die "$file: $!\n";
    1 while sysread $in, my $piece, 1 << 20;
    return;
}


sub free_kb {
    my $top = AsyncTest::top();
    my @fields = split ' ', (`df -kP $top/build`)[1] if -d "$top/build";
    return $fields[3] // 0;
}


# Of a job that has ended, 600 bytes in and out: all that lies in the folder
# of a store that had nothing else to do, as it is then, by the number of them.
# That is ours with what it keeps ready (2 MB of the file of the database, and
# 100,000 entries of the feed, however many jobs there are); and of Redis what
# it appended since it last rewrote its file, which it does by itself at 64 MB
# and whenever it has doubled.
sub bytes {
    my ($table) = @_;
    my $count  = quick() ? 4000 : 20_000;
    my $ours   = BenchOurs->new('bytes');
    my $t      = $ours->{t};
    my $port   = $ours->{behind}->port('front');
    my $lua    = BenchPeers->lua($t, jobs => 64, backend => $port);
    my $bullmq = BenchPeers->bullmq($t);

    $t->start_worker;
    $bullmq->work($port);

    my @each = map {
        my ($url, $folder) = @$_;
        each_takes($ours, $url, $folder, $count);
    } ["$ours->{url}/run", $t->store], [$lua->{submit}, $lua->{folder}],
      [$bullmq->{submit}, $bullmq->{folder}];

    my ($mine, @theirs) = @each;
    $table->row('bytes on disk for a job that has ended',
                'the middle of two peers', $mine,
                ($theirs[0] + $theirs[1]) / 2, most => 1);
    $_->stop for $bullmq, $lua, $ours;
    return;
}


sub each_takes {
    my ($ours, $url, $folder, $count) = @_;
    run_all($ours, $url, $count);
    return used($folder) / $count;
}


sub run_all {
    my ($ours, $url, $count) = @_;
    my $before = $ours->{behind}->requests;

    require BenchJobs;
    BenchJobs::submit_all($url, undef, $count, $ours->{t});
    poll_until(120, sub { $ours->{behind}->requests - $before >= $count })
        or die "the jobs of $url do not end\n";
    settle($ours->pids);
    return;
}


sub used {
    my ($folder) = @_;
    my ($kb) = `du -sk $folder` =~ /^(\d+)/;
    return 1024 * $kb;
}


1;
