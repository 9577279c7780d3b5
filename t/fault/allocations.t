#!/usr/bin/env perl

# Memory runs out in the store, at each allocation in turn: nothing crashes,
# what was accepted is there, what was refused is not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncPreload;
use AsyncTest;
use Test::More;


my $t = AsyncTest->new(store => undef);
my ($code, $out, $err) = run_program($t, {}, fault_program($t, 'allocations'),
                                     tmpfs_folder());
my %counts = $out =~ /(\w+) (\d+)/g;

note($out);
is($code, 0, 'nothing crashes, and the jobs are those that were accepted')
    or diag($err);
cmp_ok($counts{failed} // 0, '>', 300, 'allocations failed');
cmp_ok($counts{refused} // 0, '>', 300, 'which was answered by an error');
cmp_ok($counts{accepted} // 0, '>', 100, 'jobs were accepted in between');
is($counts{check}, 0, 'the store is in order');
$t->stop_all;
done_testing;
