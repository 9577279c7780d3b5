#!/usr/bin/env perl

# Makes a manual page of chapters of the README, so that the two cannot
# disagree:
#
#   src/manual/manual.pl nginx-async.1 VERSION < README.md > nginx-async.1
#
# It knows the markdown that the README is written in, and no more: headings,
# paragraphs, lists, tables, fenced code, `code`, **bold** and [links](to).
# Perl's own part of Debian's base system is all that it takes.

use strict;
use warnings;

# chapters that lead somebody to it, rather than tell of it; the module's page
# has all that are neither these nor the program's
my @aside   = ('nginx-async', 'Try it', 'Install it into your nginx',
               'How it compares', 'Which way for which client',
               'Build and test');
my @program = ('The worker and the command line', 'Running it');

my %pages = (
    'nginx-async.1' => {
        brief    => 'execute the jobs of nginx, and look after them',
        synopsis => \&commands,
        chapters => sub { return @program },
        also     => 'ngx_http_async_module(7), nginx(8), systemctl(1)',
    },
    'ngx_http_async_module.7' => {
        brief    => 'asynchronous locations for nginx',
        synopsis => \&configuration,
        chapters => sub { my %not = map { $_ => 1 } @aside, @program;
                          return grep { !$not{$_} } @_ },
        also     => 'nginx-async(1), nginx(8)',
    },
);

my $code = "\x01";          # brackets what is not to be touched again

my ($name, $version) = @ARGV;
my $page = $pages{$name // ''} or die "$0: pages: @{[sort keys %pages]}\n";
my ($title, $section) = $name =~ /^(.+)\.(\d)$/;

binmode $_, ':encoding(UTF-8)' for *STDIN, *STDOUT;

my @lines = map { chomp; $_ } <STDIN>;
my %chapters;               # lines, by heading
my @order;                  # the headings
my %anchors;                # headings, by what a link calls them
my %home;                   # their chapters

{
    my ($chapter, $fenced) = ('');

    for (@lines) {
        $fenced = !$fenced if /^```/;

        if (!$fenced && /^(#+) (.+)/) {
            my ($level, $heading) = (length $1, $2);
            my $anchor = lc($heading) =~ s/[^\w -]//gr =~ tr/ /-/r;

            push @order, $chapter = $heading if $level < 3;
            $anchors{$anchor} = $heading;
            $home{$anchor}    = $chapter;
            next if $level < 3;
        }

        # a page of text has no pictures
        push @{ $chapters{$chapter} }, $_ if $fenced || !/^!\[/;
    }
}

my @chapters = $page->{chapters}->(@order);

for (@aside, @program) {
    die "$0: the README has no chapter \"$_\"\n" if !$chapters{$_};
}


# --- words -----------------------------------------------------------------

# what troff would take for its own
sub escape {
    my ($text) = @_;
    $text =~ s/\\/\\e/g;
    $text =~ s/\^/\\(ha/g;
    $text =~ s/~/\\(ti/g;
    return $text;
}


sub verbatim {
    my ($text) = @_;
    return escape($text) =~ s/-/\\-/gr =~ s/'/\\(aq/gr =~ s/`/\\(ga/gr;
}


# a line that begins like a request is none
sub guard { return join "\n", map { s/^(?=[.'])/\\&/r } split /\n/, $_[0] }


sub inline {
    my ($text) = @_;
    my @code;

    $text =~ s/`([^`]+)`/push @code, verbatim($1); "$code$#code$code"/ge;
    $text =~ s/\[([^]]+)\]\(([^)\s]+)\)/link_to($1, $2)/ge;
    $text = escape($text);
    $text =~ s/\*\*([^*]+)\*\*/\\fB$1\\fR/g;
    $text =~ s/\*([^*\s][^*]*)\*/\\fI$1\\fR/g;
    $text =~ s/$code(\d+)$code/\\fB$code[$1]\\fR/g;
    return $text;
}


# the words of a link to a heading are enough, unless they say "above"
sub link_to {
    my ($text, $target) = @_;

    return $target =~ /^http/ ? "$text <$target>" : $text
        if $target !~ /^#(.+)/;

    my $heading = $anchors{$1} // die "$0: no heading for $target\n";
    my $here    = grep { $_ eq $home{$1} } @chapters;

    return $text if $text !~ s/ (?:above|below)$//;
    return qq($text "$heading") . ($here ? '' : " in the other manual page");
}


# --- blocks ----------------------------------------------------------------

sub fenced {
    my (@text) = @_;
    return (".PP", ".in +4n", ".EX", (map { guard(verbatim($_)) } @text),
            ".EE", ".in");
}


sub cells {
    my ($line) = @_;
    $line =~ s/^\|\s*|\s*\|\s*$//g;
    return map { s/\\\|/|/gr } split /\s*(?<!\\)\|\s*/, $line, -1;
}


# the first cell names what the others tell of; where there is more than
# one other, the column says of what
sub table {
    my ($head, undef, @rows) = @_;
    my @heads = cells($head);
    my @out;

    for my $row (@rows) {
        my ($first, @rest) = cells($row);
        push @out, '.TP', guard(inline($first) || '\\&');

        for my $i (0 .. $#rest) {
            next if $rest[$i] eq '';
            push @out, '.br' if $out[-1] =~ /^(?!\.TP)/ && $i > 0
                                && $out[-2] ne '.TP';
            my $what = @rest > 1 && $heads[$i + 1]
                     ? inline($heads[$i + 1]) . ': ' : '';
            push @out, guard($what . inline($rest[$i]));
        }
    }

    return @out;
}


sub list {
    my (@items) = @_;
    return map { my ($mark, $text) = @$_;
                 ('.IP ' . ($mark =~ /\d/ ? "$mark 4" : '\(bu 2'),
                  guard(inline($text))) } @items;
}


# one block after the other, whichever begins with this line
sub body {
    my (@text) = @_;
    my @out;

    while (@text) {
        my $line = shift @text;

        if ($line =~ /^```/) {
            my @inside;
            push @inside, shift @text while @text && $text[0] !~ /^```/;
            shift @text;
            push @out, fenced(@inside);

        } elsif ($line =~ /^#+ (.+)/) {
            push @out, '.SS ' . inline($1);

        } elsif ($line =~ /^\|/) {
            my @rows = ($line);
            push @rows, shift @text while @text && $text[0] =~ /^\|/;
            push @out, table(@rows);

        } elsif ($line =~ /^(-|\d+\.) +(.+)/) {
            my @items = [$1, $2];

            while (@text && $text[0] =~ /^(?:(-|\d+\.) +| +)(\S.*)/) {
                if ($1) { push @items, [$1, $2] }
                else    { $items[-1][1] .= "\n$2" }
                shift @text;
            }

            push @out, list(@items);

        } elsif ($line =~ /\S/) {
            my @para = ($line);
            push @para, shift @text
                while @text && $text[0] =~ /\S/ && $text[0] !~ /^(?:```|\||#)/;
            push @out, '.PP', guard(inline(join "\n", @para));
        }
    }

    return @out;
}


# --- pages -----------------------------------------------------------------

# what the tables of the command line begin their rows with
sub commands {
    my @text = @{ $chapters{'The worker and the command line'} };
    my @out;

    for (map { (cells($_))[0] } grep { /^\| `nginx-async / } @text) {
        push @out, map { ('.br', guard(verbatim($_))) } /`([^`]+)`/g;
    }

    return @out;
}


# the first thing that the README shows
sub configuration {
    my @text = @{ $chapters{'nginx-async'} };
    shift @text while $text[0] !~ /^```nginx/;
    my @inside;

    for (@text[1 .. $#text]) { last if /^```/; push @inside, $_ }
    return fenced(@inside);
}


# what stands before the table of contents
sub introduction {
    my @text = @{ $chapters{'nginx-async'} };
    my @out;

    for (@text) { last if /^- /; push @out, $_ }
    return body(@out);
}


my @out = (
    '.\" made from README.md by src/manual/manual.pl: change it there',
    qq(.TH $title $section "" "nginx-async $version" "nginx-async"),
    '.nr HY 0', '.nh', '.ad l',
    '.SH NAME',
    "$title \\- $page->{brief}",
    '.SH SYNOPSIS', $page->{synopsis}->(),
    '.SH DESCRIPTION', introduction(),
    (map { ('.SH ' . uc inline($_), body(@{ $chapters{$_} })) }
         @chapters),
    '.SH SEE ALSO',
    $page->{also},
);

print "$_\n" for @out;
