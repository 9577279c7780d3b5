#!/usr/bin/env perl

# 200,000 jobs come and go: the store stays as large as what it holds, and so
# it does when a reader dies over it and is looked after.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncPreload;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(store => undef);


# the lines that the program prints, as hashes
sub soak {
    my ($jobs, @how) = @_;
    my $name = join ' ', $jobs, @how;
    my ($code, $out, $err) = run_program($t, {}, fault_program($t, 'soak'),
                                         tmpfs_folder(), $jobs, @how);
    is($code, 0, "$name: it runs") or diag($err);
    my @lines = map { { /(\w+) (\d+)/g } } split /\n/, $out;
    my $end   = pop @lines;

    cmp_ok($end->{end}, '>=', $jobs, "$name: all jobs have run");
    is($end->{check}, 0, "$name: the store is in order") or diag($err);
    return @lines;
}


sub most {
    my ($field, @lines) = @_;
    my ($most) = sort { $b <=> $a } map { $_->{$field} } @lines;
    return $most;
}


my $jobs  = long_run(200_000, 2_000_000);
my @lines = soak($jobs);
my $gone  = pop @lines;
my $file  = most('file', @lines, $gone);
my $live  = most('used', @lines);

is(scalar @lines, 20, 'figures on the way');
note(sprintf 'data.mdb %.1f MB, live data %.1f MB at most, that is %.2f '
             . 'times', $file / 1e6, $live / 1e6, $file / $live);
cmp_ok($file, '<=', 1.5 * $live,
       'the file is at most 1.5 times as large as the live data');

# what holds at half of the way holds at the end of it
for my $db (qw(jobs payload ready timers running trail feed bystate counts
               policy stats))
{
    note("$db: ", join ' ', map { $_->{$db} } @lines);
    cmp_ok(most($db, @lines[10 .. 19]), '<=',
           1.2 * most($db, @lines[5 .. 9]) + 100, "$db does not grow");
}

is_deeply([map { $gone->{$_} } qw(jobs payload ready timers running trail
                                  bystate spooled)], [(0) x 8],
          'nothing is left when the last has gone');
cmp_ok($gone->{used}, '<', $live / 2, 'and its room is free');


# --- a dead reader --------------------------------------------------------

@lines = soak(60_000, 'dead');
my $grown = most('file', @lines) / most('used', @lines[0 .. 9]);
cmp_ok($grown, '>', 2, 'a dead reader makes the file grow');

@lines = soak(60_000, 'reaped');
my $same = most('file', @lines) / most('used', @lines[0 .. 9]);
cmp_ok($same, '<=', 1.5, 'which does not happen when they are looked after');
note(sprintf 'the file beside the live data: %.2f times, and %.2f', $grown,
     $same);

$t->stop_all;
done_testing;
