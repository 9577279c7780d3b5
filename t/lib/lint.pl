#!/usr/bin/env perl

# The rules of the house that a program can check: make lint.
#
# Each check returns sentences; one of them is enough to fail.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);

chdir abs_path(dirname(__FILE__) . '/../..') or die $!;

my $line_max     = 80;
my $function_max = 100;
my $file_max     = 700;

# what the C library lends to a layer that has no I/O and no clock
my $pure = join '|', qw(arm_acle assert ctype endian errno inttypes limits
                        nmmintrin stdarg stdbool stddef stdint stdio stdlib
                        string strings time cjson/cJSON);

# patterns that the code of a layer must not hold, comments aside
my %borders = (
    core   => [
        qr/#include\s*<(?!(?:$pure)\.h>)[^>]+>/, qr/\bngx_/, qr/\bMDB_/,
        qr/\b(?:open|openat|fopen|read|write|printf|fprintf|puts|socket)\(/,
        qr/\b(?:time|clock_gettime|gettimeofday|getrandom|rand|getenv)\(/,
    ],
    store  => [
        qr/\bngx_/, qr{<curl/}, qr/\bcurl_/, qr/\b(?:exit|syslog|getenv)\(/,
        qr/\b(?:printf|puts|perror)\(/, qr/\bfprintf\(\s*stderr/,
    ],
    module => [ qr{<curl/}, qr/\bcurl_/, qr/<lmdb\.h>/, qr/\bMDB_/ ],
    worker => [ qr/\bngx_/, qr/<lmdb\.h>/, qr/\bMDB_/ ],
    tool   => [ qr/\bngx_/, qr/<lmdb\.h>/, qr/\bMDB_/, qr{<curl/},
                qr/\bcurl_/ ],
);

# whose headers a layer may include
my %sees = (
    core   => [qw(core)],
    store  => [qw(core store)],
    module => [qw(core store module)],
    worker => [qw(core store worker)],
    tool   => [qw(core store worker tool)],
);

# no machine and no mirror has a name here; written so as not to find itself
my $machine = qr{/wo[r]k/|/roo[t]/|/hom[e]/\w};
my $mirror  = qr{\b(?:deb|security|snapshot|ftp(?:\.\w+)?)\.debian\.[on]
                |\b(?:registry|mirrors?|proxy|pypi|nexus|artifactory)
                 \.[a-z0-9-]+\.[a-z]{2,}\b
                |\bpypi\.org\b}xi;


sub lines_of {
    my ($path) = @_;
    open my $in, '<:encoding(UTF-8)', $path or die "$path: $!";
    chomp(my @lines = <$in>);
    return @lines;
}


# all that belongs to the repository, or will when it is added; root may
# look into the checkout of another
sub repository {
    my @files = -e '.git'
        ? split /\0/, `git -c safe.directory='*' ls-files -z -co --exclude-standard`
        : split /\0/, `find * .ci .editorconfig .gitignore -path build -prune -o -type f -print0`;

    die "lint: no files were found\n" if !@files;
    return grep { -f && !/\.(?:png|gz|deb|bin|ico)$/ } @files;
}


sub sources { return sort glob 'src/*/*.[ch]' }


# the code without comments, line numbers kept
sub bare {
    my ($path) = @_;
    my $code = join "\n", lines_of($path);
    $code =~ s{("(?:\\.|[^"\\])*")|(/\*.*?\*/)|('(?:\\.|[^'\\])*')}
              {defined $2 ? $2 =~ s/[^\n]//gr : $&}gse;
    return split /\n/, $code;
}


sub borders {
    my @bad;
    my %home = map { basename($_) => (split m{/})[1] } sources();

    for my $path (sources()) {
        my $layer  = (split m{/}, $path)[1];
        my $number = 0;

        for my $line (bare($path)) {
            $number++;
            for my $pattern (@{ $borders{$layer} || [] }) {
                push @bad, "$path:$number: not in $layer: $&"
                    if $line =~ $pattern;
            }

            my ($header) = $line =~ /#include\s*"([^"]+)"/ or next;
            my $from = $home{ basename($header) } // next;
            push @bad, "$path:$number: $layer includes $header of $from"
                if !grep { $_ eq $from } @{ $sees{$layer} || [] };
        }
    }

    return @bad;
}


# nginx names objects by folder and basename, and loads symbols globally
sub names {
    my (@bad, %seen);

    for my $path (sources()) {
        my $name = basename($path);
        push @bad, "$path: the name is taken by $seen{$name}" if $seen{$name};
        $seen{$name} = $path;

        my $prefix = $path =~ m{^src/module/} ? 'ngx_http_async_' : 'async_';
        push @bad, "$path: the name should begin with $prefix"
            if index($name, $prefix) != 0;
    }

    return @bad;
}


sub layout {
    my @bad;
    my @tests = glob 't/unit/*/*.[ch] t/fuzz/*.[ch] t/fault/lib/*.[ch]';

    for my $path (sources(), @tests) {
        my @lines  = lines_of($path);
        my $number = 0;

        push @bad, "$path: " . @lines . " lines, $file_max are the most"
            if @lines > $file_max;

        for my $line (@lines) {
            $number++;
            push @bad, "$path:$number: longer than $line_max columns"
                if length $line > $line_max;
            push @bad, "$path:$number: a tab" if $line =~ /\t/;
        }
    }

    return @bad;
}


sub functions {
    my (@bad, @sizes);

    for my $path (grep { /\.c$/ } sources()) {
        my ($number, $begin, $name) = (0);

        for my $line (lines_of($path)) {
            $number++;
            $name  = $1      if $line =~ /^([a-z]\w*)\(/;
            $begin = $number if $line =~ /^\{/;

            next if !$begin || $line !~ /^\}/;
            push @sizes, $number - $begin - 1;
            push @bad, "$path:$begin: $name has $sizes[-1] lines, "
                       . "$function_max are the most"
                if $sizes[-1] > $function_max;
            undef $begin;
        }
    }

    @sizes = sort { $a <=> $b } @sizes;
    printf "lint: %d functions, half within %d lines, nine in ten within %d\n",
        scalar @sizes, $sizes[@sizes / 2], $sizes[@sizes * 0.9] if @sizes;
    return @bad;
}


sub text {
    my @bad;

    for my $path (repository()) {
        my $number = 0;

        for my $line (lines_of($path)) {
            $number++;
            push @bad, "$path:$number: white space at the end"
                if $line =~ /[ \t]$/;
            push @bad, "$path:$number: a path of one machine: $&"
                if $line =~ $machine;
            push @bad, "$path:$number: a mirror or registry by name: $&"
                if $line =~ $mirror;
        }
    }

    return @bad;
}


# what there is, the README tells of; and what it points to is there
sub readme {
    my @bad;
    my $text   = join "\n", lines_of('README.md');
    my @heads  = $text =~ /^#+ (.*)$/mg;
    my %anchor = map { lc($_) =~ s/[^\w -]//gr =~ tr/ /-/r => 1 } @heads;
    my $code   = join "\n", map { lines_of($_) } glob 'src/*/*.c';
    my $codes  = join "\n", lines_of('src/core/async_problem.h');

    for my $name ($code =~ /^    \{ ngx_string\("(async\w*)"\),$/mg) {
        push @bad, "README.md: no section for $name"
            if $text !~ /^### $name\n\n```\nSyntax: /m;
    }

    for my $name ($code =~ /^    \{ ngx_string\("(async\w*)"\), NULL,/mg) {
        push @bad, "README.md: no word of \$$name"
            if $text !~ /^\| `\$$name` \|/m;
    }

    while ($codes =~ /^ +X\((\w+), \d+, "([a-z-]+)"/mg) {
        my ($symbol, $name) = ($1, $2);
        push @bad, "README.md: no word of $name"
            if $code =~ /ASYNC_PROBLEM_$symbol\b/
               && $text !~ /^\|[^|]*`$name`/m;
    }

    for my $target ($text =~ /\]\(([^)\s]+)\)/g) {
        next if $target =~ /^https?:/;
        push @bad, "README.md: nothing at $target"
            if $target =~ /^#(.*)/ ? !$anchor{$1} : !-e $target;
    }

    return @bad;
}


# --- what compilers and cppcheck say --------------------------------------

sub fails {
    my ($what, $command) = @_;
    my $said = `$command 2>&1`;
    return $? == 0 ? () : ("$what:\n$said");
}


sub includes {
    my ($layer) = @_;
    return join ' ', map { "-Isrc/$_" } @{ $sees{$layer} };
}


# where nginx's headers and what configure found are, after a build
sub nginx_includes {
    my $link   = readlink 'build/nginx' // '';
    my $folder = $link =~ m{/(build/ngx-[^/]+)/} ? $1 : 'build/ngx-debian';
    my $source = -d "$folder/source" ? "$folder/source"
                                     : '/usr/share/nginx/src';
    die "lint: build first\n" if !-e "$folder/configured";

    return join ' ', "-I$folder", map { "-I$source/src/$_" }
        qw(core event event/modules os/unix http http/modules http/v2);
}


sub compilers {
    my @bad;
    my $warn = '-fsyntax-only -D_GNU_SOURCE -Wall -Wextra -Werror';

    for my $layer (sort keys %sees) {
        my @files = glob "src/$layer/*.c" or next;
        my $flags = "-std=c11 $warn " . includes($layer);

        # a handler of nginx has the arguments of its kind, used or not;
        # nginx's headers are not ours to warn about
        $flags = "-std=gnu11 $warn -Wno-unused-parameter " . includes($layer)
                 . ' ' . nginx_includes() =~ s/-I/-isystem /gr
            if $layer eq 'module';

        push @bad, fails("$_, $layer", "$_ $flags @files")
            for qw(gcc clang);
    }

    # the targets are built by few; what they call changes under many hands
    my @targets = glob 't/fuzz/*.c';
    push @bad, fails('clang, fuzz targets',
                     "clang -std=c11 $warn " . includes('core')
                     . " -Isrc/worker @targets");

    return @bad;
}


# cppcheck reads no system headers; the macros of this one are syntax
sub cppcheck {
    my @bad;
    my ($queue) = `echo '#include <sys/queue.h>' | gcc -E -M -`
                  =~ m{(\S+/sys/queue\.h)};

    for my $layer (sort keys %sees) {
        my @files = glob "src/$layer/*.c" or next;
        my $flags = '--quiet --error-exitcode=1 --std=c11 --inline-suppr'
            . ' --enable=warning,performance,portability'
            . ' --suppress=missingIncludeSystem --suppress=unknownMacro'
            . " --suppress='*:$queue' --include=$queue -D_GNU_SOURCE "
            . includes($layer);

        push @bad, fails("cppcheck, $layer", "cppcheck $flags @files");
    }

    return @bad;
}


my @bad = map { $_->() } \&borders, \&names, \&layout, \&functions, \&text,
                         \&readme, \&compilers, \&cppcheck;

print "$_\n" for @bad;
print @bad ? "lint: " . @bad . " to put right\n" : "lint: all in order\n";
exit(@bad ? 1 : 0);
