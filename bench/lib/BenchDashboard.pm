package BenchDashboard;

# What one look of a dashboard, a scrape and a listing take, with few and with
# many jobs stored: it must not grow with them.  Each is one read transaction
# at the most for every view that it asks for, and so none is longer than its
# answer.

use strict;
use warnings;

use Bench;
use BenchOurs;
use Time::HiRes qw(sleep time);

my %looks = (
    'dashboard: the overview'       => '/board/data/overview',
    'dashboard: a page of jobs'     => '/board/data/jobs',
    'dashboard: those that failed'  => '/board/data/jobs?status=failed',
    'dashboard: a search in vain'   => '/board/data/jobs?queue=nobody',
    'dashboard: one job'            => '/board/data/job?id=%s',
    'a scrape'                      => '/metrics',
);


sub rows {
    my ($table, $rounds) = @_;
    my %ours = map { $_ => filled($_) } 10_000, 100_000;

    # each load is the middle one of thousands of answers
    my $loads = quick() ? 1 : $rounds;

    for my $look (sort keys %looks) {
        my %of = in_turn($loads, { map {
            my $at = $ours{$_};
            my $path = $looks{$look} =~ s{%s}{$at->{done}}r;
            $_ => sub { wrk("$at->{url}$path", connections => 1) };
        } keys %ours });

        $table->pair("$look, 100000 jobs, ms", 'with 10000',
                     \%of, 100_000, 10_000, 'p50');
        $table->fact("  within 50 ms, 99 in 100",
                     $of{100_000}{p99}{median} < 50);
    }

    my %of = in_turn($rounds, { map {
        my $at = $ours{$_};
        $_ => sub { charts($at) };
    } keys %ours });

    $table->pair('dashboard: charts drawn anew, 100000 jobs, ms',
                 'with 10000', \%of, 100_000, 10_000, 'ms');
    $table->fact('  within 50 ms', $of{100_000}{ms}{max} < 50);

    %of = in_turn($rounds, { map {
        my $at = $ours{$_};
        $_ => sub { listing($at) };
    } keys %ours });
    $table->pair('nginx-async jobs, 100000 jobs, ms', 'with 10000', \%of,
                 100_000, 10_000, 'ms');

    $_->stop for values %ours;
    return;
}


# by the command line, its start included
sub listing {
    my ($ours) = @_;
    my $from = time;
    my ($code, $out) = $ours->{t}->command('jobs', '--limit', 50);

    die "nginx-async jobs: $out" if $code != 0 || 50 > ($out =~ tr/\n//);
    return { ms => 1000 * (time - $from) };
}


sub filled {
    my ($size) = @_;
    my $ours = BenchOurs->new("dashboard-$size");

    $ours->{done} = $ours->complete_one;
    $ours->fill($ours->{done}, $size);
    return $ours;
}


# the longest of the three windows; what was drawn is good for five seconds
sub charts {
    my ($ours) = @_;
    my $longest = 0;

    my $still = ($ours->{drawn} // 0) + 5.1 - time;
    sleep $still if $still > 0;

    for my $window (900, 3600, 86400) {
        my $from   = time;
        my $answer = $ours->{t}->get("/board/data/charts?window=$window");
        my $took   = 1000 * (time - $from);

        die "no charts: $answer->{head}" if $answer->{status} != 200;
        $longest = $took if $took > $longest;
    }

    $ours->{drawn} = time;
    return { ms => $longest };
}


1;
