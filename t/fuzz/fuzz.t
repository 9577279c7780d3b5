#!/usr/bin/env perl

# Runs the fuzz targets of build/fuzz, one after the other; each is a result.
#
#   FUZZ_TIME=N     N seconds each, and what was learned is kept for the next
#                   run in build/fuzz/corpus; without it a short run, the same
#                   each time, that begins with the seeds alone
#   FUZZ_TARGET=X   this one only
#
# The seeds are tiny, and what once failed is among them.  What fails now is
# left in build/fuzz/findings.

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use Test::More;

my $seconds  = $ENV{FUZZ_TIME};
my $corpora  = $seconds ? 'build/fuzz/corpus' : 'build/fuzz/brief';
my $findings = 'build/fuzz/findings';
my @targets  = grep { !$ENV{FUZZ_TARGET} || $_ eq $ENV{FUZZ_TARGET} }
               map { m{([^/]+)\.c$} } sort glob 't/fuzz/*.c';

$ENV{ASAN_OPTIONS}  = 'detect_leaks=1';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';

# the largest input that makes sense, where it is not libFuzzer's own choice
my %max_len = (progress => 4200, job => 2100);


sub command {
    my ($target) = @_;

    my @options = (
        '-timeout=20', '-rss_limit_mb=1024', '-print_final_stats=1',
        "-artifact_prefix=$findings/$target-",
        '-max_len=' . ($max_len{$target} || 1024),
        '-max_total_time=' . ($seconds || 1),
    );

    push @options, '-seed=1' if !$seconds;
    push @options, "-dict=t/fuzz/$target.dict" if -e "t/fuzz/$target.dict";

    return ("build/fuzz/$target", @options, "$corpora/$target",
            "t/fuzz/seeds/$target");
}


sub fuzz {
    my ($target) = @_;

    remove_tree("$corpora/$target") if !$seconds;
    make_path("$corpora/$target", $findings);

    open my $out, '-|', 'sh', '-c', 'exec "$@" 2>&1', 'sh', command($target)
        or die "sh: $!";
    my @said = <$out>;
    close $out;
    my $status = $?;

    my ($runs) = join('', @said) =~ /number_of_executed_units:\s*(\d+)/;
    my @seeds = glob "t/fuzz/seeds/$target/*";

    ok($status == 0 && @seeds && ($runs || 0) > @seeds,
       "$target keeps its promises")
        or diag(@said > 60 ? @said[-60 .. -1] : @said);

    # a long run tells as it goes
    my ($covered) = "@said" =~ /.*\bcov: (\d+)/s;
    my $figures = "$target: " . ($runs || 0) . ' inputs, '
                  . ($covered || 0) . ' edges';
    $seconds ? diag($figures) : note($figures);
    return;
}


plan(tests => scalar @targets);
fuzz($_) for @targets;
