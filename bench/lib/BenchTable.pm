package BenchTable;

# The rows as they come, printed at once, and all of them at the end: as JSON,
# and as the table of the README.

use strict;
use warnings;

use JSON::PP ();


sub new {
    my ($class, $out) = @_;
    my $self = bless { rows => [], out => $out }, $class;      # .json, .md

    printf "%-46s %-26s %14s %14s %8s  %s\n", 'measure', 'beside', 'ours',
           'theirs', 'ratio', 'to reach';
    return $self;
}


# ours and theirs: names in %$of; least or most: of ours to theirs; each:
# theirs times so much is the mark's measure
sub pair {
    my ($self, $measure, $beside, $of, $ours, $theirs, $what, %mark) = @_;
    my ($one, $two) = map { $of->{$_}{$what} } $ours, $theirs;

    return $self->row($measure, $beside, $one, $two, %mark);
}


# both are { median, min, max }, or a number
sub row {
    my ($self, $measure, $beside, $ours, $theirs, %mark) = @_;
    my @both  = map { ref $_ ? $_ : { median => $_ } } $ours, $theirs;
    my $ratio = $both[1]{median} ? $both[0]{median} / $both[1]{median} : 0;
    my $fits  = defined $mark{least} ? $ratio >= $mark{least}
              : defined $mark{most}  ? $ratio <= $mark{most} : 1;
    my $to    = defined $mark{least} ? sprintf '>= %.2g', $mark{least}
              : defined $mark{most}  ? sprintf '<= %.2g', $mark{most} : '';

    printf "%-46s %-26s %14s %14s %8.2f  %s%s\n", $measure, $beside,
           _figure($both[0]), _figure($both[1]), $ratio, $to,
           $fits ? '' : '  missed';
    printf "%-46s %-26s %14s %14s\n", '', '', map { _span($_) } @both
        if $both[0]{min} && $both[0]{min} != $both[0]{max};

    push @{ $self->{rows} }, {
        measure => $measure =~ s/^\s+//r, beside => $beside,
        ours => $both[0], theirs => $both[1], ratio => 0 + $ratio,
        to_reach => $to, reached => $fits ? JSON::PP::true
                                          : JSON::PP::false,
    };
    return;
}


# one that stands beside nothing
sub figure {
    my ($self, $measure, $ours) = @_;
    printf "%-46s %-26s %14s\n", $measure, '', _figure({ median => $ours });
    push @{ $self->{rows} }, { measure => $measure =~ s/^\s+//r,
                               ours => { median => $ours } };
    return;
}


# what has to be true, and is no figure
sub fact {
    my ($self, $what, $true) = @_;
    printf "%-46s %s\n", $what, $true ? 'yes' : 'NO';
    push @{ $self->{rows} }, {
        measure => $what,
        reached => $true ? JSON::PP::true : JSON::PP::false,
    };
    $self->{broken} = 1 if !$true;
    return;
}


sub _figure {
    my ($of) = @_;
    my $n = $of->{median};
    return sprintf $n >= 1000 ? '%.0f' : $n >= 10 ? '%.1f' : '%.3f', $n;
}


sub _span {
    my ($of) = @_;
    return '' if !defined $of->{min};
    return join '-', map { _figure({ median => $_ }) } @$of{qw(min max)};
}


# writes them; false if something was not as it has to be
sub end {
    my ($self, %about) = @_;
    _write("$self->{out}.json", JSON::PP->new->pretty->canonical->encode(
        { %about, rows => $self->{rows} }));
    _write("$self->{out}.md", $self->_page);
    return !$self->{broken};
}


sub _page {
    my ($self) = @_;
    my $page = "| measure | beside | ours | theirs | ratio | to reach |\n"
               . "|---|---|---|---|---|---|\n";

    for my $row (@{ $self->{rows} }) {
        my ($ours, $theirs, $ratio) = @$row{qw(ours theirs ratio)};
        my $to = $row->{to_reach} // '';
        $to .= ', missed' if $to && !$row->{reached};
        $page .= join(' | ', "| $row->{measure}", $row->{beside} // '',
            $ours ? _figure($ours) : $row->{reached} ? 'yes' : 'no',
            $theirs ? _figure($theirs) : '',
            defined $ratio ? sprintf('%.2f', $ratio) : '', $to) . " |\n";
    }

    return $page;
}


sub _write {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return;
}


1;
