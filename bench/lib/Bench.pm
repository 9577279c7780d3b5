package Bench;

# What the rows of the bench stand on: loads that are bounded, taken in turn
# (A B C A B C ...), and what they cost the servers.
#
#   my %of = in_turn($rounds, {
#       ours => sub { wrk($url, pids => [...]) },
#       bare => sub { ... },
#   });
#   $of{ours}{rate}{median}, {min}, {max}
#
# A load returns numbers by name: rate (answers a second), cpu (microseconds
# of the servers' processors for one answer, user and system), p50, p99 (ms).

use strict;
use warnings;

use Exporter qw(import);
use FindBin;
use Time::HiRes qw(sleep time);

use AsyncTest ();

our @EXPORT = qw(in_turn ratio wrk cpu_of memory_of anonymous_of tree
                 fdatasync_p99 percentile quick seconds settle document);


# everything shorter, within five minutes for all
sub quick { return $ENV{QUICK} ? 1 : 0 }

# of one load
sub seconds { return quick() ? 1 : 4 }


# 600 bytes such as are sent and answered: what keeps them compressed (Redis
# does, once it rewrites its file) must not find one letter only
sub document {
    my $text = '{"order":"A-58210-7731","placed":"2026-11-22T10:14:52Z",'
        . '"customer":{"name":"Marta Lindqvist","vat":"SE556703748501",'
        . '"email":"marta.lindqvist@example.com"},"ship":{"street":'
        . '"Storgatan 14","zip":"41138","city":"Goteborg","country":"SE"},'
        . '"lines":[{"sku":"KX-2041","qty":2,"price":149.9,"text":'
        . '"Desk lamp, brass"},{"sku":"KX-9917","qty":1,"price":1299,'
        . '"text":"Oak shelf 80x180"},{"sku":"PL-0083","qty":12,"price":'
        . '7.25,"text":"Cable clip, white"}],"total":1685.8,"currency":'
        . '"EUR","packed":"2026-11-23 08:05 by hk, 3 parcels, 14.2 kg",'
        . '"note":"Leave it with the neighbours on the second floor"}';
    return $text . ' ' x (600 - length $text);
}


sub in_turn {
    my ($rounds, $loads, @order) = @_;
    my %seen;

    @order = sort keys %$loads if !@order;

    for my $round (1 .. $rounds) {
        for my $name (@order) {
            my $figures = $loads->{$name}->();
            push @{ $seen{$name}{$_} }, $figures->{$_} for keys %$figures;
        }
    }

    for my $of (values %seen) {
        for my $name (keys %$of) {
            my @sorted = sort { $a <=> $b } @{ $of->{$name} };
            $of->{$name} = { min => $sorted[0], max => $sorted[-1],
                             median => percentile(50, @sorted) };
        }
    }

    return %seen;
}


sub ratio {
    my ($of, $ours, $theirs, $what) = @_;
    return $of->{$ours}{$what}{median} / $of->{$theirs}{$what}{median};
}


# the numbers are sorted
sub percentile {
    my ($p, @sorted) = @_;
    return $sorted[ int($p / 100 * $#sorted + 0.5) ];
}


# connections 64, script, headers: of wrk; seconds; pids: the servers, their
# children included
sub wrk {
    my ($url, %args) = @_;
    my $connections = $args{connections} || 64;
    my $seconds     = $args{seconds} || seconds();
    my @command = ('wrk', '-t1', "-c$connections", "-d${seconds}s",
                   '--latency', '--timeout', '20s',
                   $args{script} ? ('-s', $args{script}) : (), $url);

    my $used = cpu_of(@{ $args{pids} });
    my $out  = `@command 2>&1`;
    $used = cpu_of(@{ $args{pids} }) - $used;

    my ($n)    = $out =~ /^\s*(\d+) requests in/m or die "@command: $out";
    my ($rate) = $out =~ m{^Requests/sec:\s+([\d.]+)}m;
    my ($bad)  = $out =~ /Non-2xx or 3xx responses: (\d+)/;
    my ($lost) = $out =~ /Socket errors: (.*)/;

    die "@command: $bad of $n answers are not what was asked for\n"
        if $bad && !$args{bad};
    die "@command: $lost\n" if $lost && $lost =~ /[1-9]/ && !$args{bad};
    $n > 0 or die "@command: no answer\n";

    return {
        rate => $rate,
        n    => $n,
        p50  => _latency($out, '50'),
        p99  => _latency($out, '99'),
        $args{pids} ? (cpu => 1e6 * $used / $n) : (),
    };
}


sub _latency {
    my ($out, $p) = @_;
    my ($value, $unit) = $out =~ /^\s+$p%\s+([\d.]+)(us|ms|s)$/m or return 0;
    return $value * { us => 0.001, ms => 1, s => 1000 }->{$unit};
}


# --- processes ------------------------------------------------------------

# these and all that they started
sub tree {
    my (@pids) = @_;
    my (%children, @all);

    for my $stat (glob '/proc/[0-9]*/stat') {
        my $line = AsyncTest::slurp($stat) // next;
        my ($pid, $parent) = $line =~ /^(\d+) \(.*\) \S (\d+) /s or next;
        push @{ $children{$parent} }, $pid;
    }

    while (@pids) {
        my $pid = shift @pids;
        push @all, $pid;
        push @pids, @{ $children{$pid} || [] };
    }

    return @all;
}


# seconds of processor time that they have used
sub cpu_of {
    my $sum = 0;

    for my $pid (tree(@_)) {
        my $stat = AsyncTest::slurp("/proc/$pid/stat") // next;
        my @fields = split / /, $stat =~ s/^.*\) //sr;
        $sum += ($fields[11] + $fields[12]) / 100;
    }

    return $sum;
}


# KB of memory, pages that several share counted once; those that belong to
# the file of a store, which the system takes back as it needs, left out
sub memory_of {
    my ($pids, $file) = @_;
    my $sum = 0;

    for my $pid (tree(@$pids)) {
        my $ours = 1;
        for my $line (split /\n/, AsyncTest::slurp("/proc/$pid/smaps") // '') {
            if ($line =~ /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)/) {
                $ours = !$file || index($1, $file) < 0;
            } elsif ($ours && $line =~ /^Pss:\s+(\d+) kB/) {
                $sum += $1;
            }
        }
    }

    return $sum;
}


# KB that are their own
sub anonymous_of {
    my $sum = 0;

    for my $pid (tree(@_)) {
        my ($kb) = (AsyncTest::slurp("/proc/$pid/status") // '')
                   =~ /^RssAnon:\s+(\d+) kB/m or next;
        $sum += $kb;
    }

    return $sum;
}


# waits until the servers do nothing any more
sub settle {
    my (@pids) = @_;

    for (1 .. 50) {
        my $used = cpu_of(@pids);
        sleep 0.2;
        last if cpu_of(@pids) - $used < 0.011;
    }

    return;
}


# --- the disk -------------------------------------------------------------

# ms: of so many writes of 600 bytes, each synced, in the folder
sub fdatasync_p99 {
    my ($program, $folder, $count) = @_;
    my ($p99) = `$program $folder $count` =~ /^p99 ([\d.]+)$/m
        or die "$program says nothing";
    return $p99;
}


1;
