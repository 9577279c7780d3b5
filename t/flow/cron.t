#!/usr/bin/env perl

# Each minute of a year, compared with Python's own zoneinfo: what cron
# expressions come to where clocks are changed in every way that there is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use AsyncTest;
use Test::More;


my $top   = AsyncTest::top();
my $probe = "$top/build/cron-probe";
my $long  = ($ENV{FAULT} // '') eq 'long';
my @texts = (
    '*/7 * * * *', '0 2 * * *', '*/10 0-3 * * *', '0 0 * * *',
    '0 */3 1,15 * *', '* 23 * 3,4,9,10,11 sun', '15 1 13 * fri',
    '0 0 29 2 *', '@weekly',
);

# the usual; half an hour, in the south; a day that was left out; a winter of
# its own, by the rule behind the table
my @years = (
    ['Europe/Berlin', 2028], ['Australia/Lord_Howe', 2026],
    ['Pacific/Apia', 2011],  ['Europe/Dublin', 2044],
);

push @years, ['Asia/Pyongyang', 2015], map { [$_, 2026], [$_, 2040] } qw(
    UTC America/New_York America/Santiago Africa/Casablanca Antarctica/Troll America/Havana
    Asia/Gaza America/St_Johns Asia/Kathmandu America/Nuuk Pacific/Chatham
) if $long;

for my $case (@years) {
    my ($zone, $year) = @$case;
    open my $said, '-|', 'python3', "$top/t/lib/cron-year.py", $probe, $year,
        $zone, @texts or die "python3: $!";
    chomp(my @lines = <$said>);
    close $said or die "cron-year.py: $?";

    is(scalar(@lines), scalar(@texts), "$zone in $year");
    is_deeply([grep { !/^same/ } @lines], [], "$zone: every minute agrees");
}

done_testing;
