#!/usr/bin/env perl

# The power goes while a store is written to. What was synced is on the disk,
# what was written since may be, in any order and torn at sectors: from the
# writes and syncs of a running store such states are laid out, and opened.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncPreload;
use AsyncTest;
use Test::More;


my %states = (strict => long_run(10_000, 100_000),
              relaxed => long_run(1_000, 20_000));
my $logs   = 4;
my $seed   = $ENV{SEED} // int rand 1 << 30;
my $t      = AsyncTest->new(store => undef);
my $folder = tmpfs_folder();
my $cpus   = `nproc` + 0;

note("SEED=$seed");


# a store at work under the recorder; the log's path
sub record {
    my ($mode, $n) = @_;
    my $root = $t->root . "/$mode.$n";
    mkdir $root or die "$root: $!";

    my ($code, $out, $err) = run_program(
        $t, { RECORD_ROOT => $root, RECORD_LOG => "$root.log",
              LD_PRELOAD  => fault_program($t, 'preload_record.so') },
        fault_program($t, 'power_run'), $root, $mode, 200, $seed + $n);
    is($code, 0, "$mode: a store is written to, run $n") or diag($err);
    like($out, qr/ended [1-9]\d* spooled [1-9]\d* removed [1-9]/,
         "$mode: jobs come, end and go, run $n");
    chomp $out;
    note("$mode: $out");
    return "$root.log";
}


# (exit code, counts, what it said)
sub cut {
    my ($log, $mode, $states, $n) = @_;
    my ($code, $out, $err) = run_program(
        $t, {}, fault_program($t, 'power_cut'), $log, $folder, $mode,
        $states, $seed + $n, $cpus);
    return ($code, { $out =~ /(\w+) (\d+)/g }, $err);
}


my @logs;

for my $mode (qw(strict relaxed)) {
    my %sum;

    for my $n (1 .. $logs) {
        my $log = record($mode, $n);
        my ($code, $counts, $said) = cut($log, $mode,
                                         $states{$mode} / $logs, $n);
        is($code, 0, "$mode: every state is sound, log $n") or diag($said);
        $sum{$_} += $counts->{$_} for keys %$counts;
        push @logs, $log if $n == 1;
    }

    is($sum{states}, $states{$mode}, "$mode: $states{$mode} states");
    cmp_ok($sum{jobs}, '>', $sum{states}, "$mode: with jobs in them");
    cmp_ok($sum{during}, '>', 0,
           "$mode: some cuts came between the disk and the answer");
    note("$mode: states $sum{states}, of $sum{entries} writes and syncs; "
         . "jobs compared $sum{jobs}; acknowledged transactions at the cuts "
         . "$sum{acked}; a transaction was on disk unanswered $sum{during}, "
         . "the last one lost $sum{lost}");

    if ($mode eq 'strict') {
        is($sum{lost}, 0, 'strict: nothing acknowledged is lost');
    } else {
        cmp_ok($sum{lost}, '>', 0, 'relaxed: the last may be lost, and is');
    }
}

# what would be a fault is one
my ($code) = cut($logs[1], 'strict', 1000, 0);
is($code, 1, 'a store that syncs less than strict is found out');
($code) = cut($logs[0], 'unsynced', 1000, 0);
is($code, 1, 'a disk that does not sync is found out');

unlink glob $t->root . '/*.log';
$t->stop_all;
done_testing;
