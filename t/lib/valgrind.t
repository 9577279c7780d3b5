#!/usr/bin/env perl

# Run by t/run after the suites (SUITES) that ran under valgrind: each of
# their processes has come to its report, and no report has an error in it.

use strict;
use warnings;

use AsyncTest;
use File::Basename qw(basename);
use Test::More;

# its errors, and its end if that was a signal: a block may be over, and its
# worker told to end (15), before the worker is up
sub errors {
    my ($report) = @_;
    my $text = slurp($report);
    return "$report: the process did not come to its end"
        if $text !~ /ERROR SUMMARY: (\d+) errors/;
    return if $1 == 0 && $text !~ /Process terminating .* signal (?!15 )/;
    return $text =~ s{\A.*?Parent PID: \d+\n}{$report:\n}sr;
}


for my $suite (split ' ', $ENV{SUITES}) {
    my $root    = 'build/t/' . basename($suite, '.t') . '-valgrind';
    my @reports = glob "$root/valgrind/*";
    my @errors  = map { errors($_) } @reports;

    ok(@reports > 0, "$suite: reports");
    is(scalar @errors, 0, "$suite: no errors") or diag(join "\n", @errors);
    is_deeply([bad_log_lines("$root/error.log")], [], "$suite: its log");
}

done_testing;
