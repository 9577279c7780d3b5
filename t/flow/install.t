#!/usr/bin/env perl

# What "make install" puts where, the manual pages, and the unit.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use File::Path qw(make_path remove_tree);
use Test::More;

my $top = abs_path("$FindBin::Bin/../..");
chdir $top or die "$top: $!";

my $root = "$top/build/t/install";
remove_tree($root);
make_path($root);
delete @ENV{qw(MAKEFLAGS MAKELEVEL MAKEOVERRIDES NGINX_SRC)};

# as it was built, for whichever nginx
my @as_built = map { ('-o', "build/$_") } qw(ngx_http_async_module.so
                                             nginx-async nginx);


sub slurp {
    my ($path) = @_;
    open my $in, '<:encoding(UTF-8)', $path or return '';
    local $/;
    return <$in>;
}


# (exit code, what it said)
sub says {
    my ($command) = @_;
    my $said = `$command 2>&1`;
    return ($? >> 8, $said);
}


sub mode { return sprintf '%o', ((stat $_[0])[2] // 0) & 07777 }


# --- files -----------------------------------------------------------------

my ($code, $said) = says("make @as_built install DESTDIR=$root PREFIX=/opt/x");
is $code, 0, 'make install goes through' or diag $said;

my $modules = `build/nginx -V 2>&1` =~ /--modules-path=(\S+)/
              ? $1 : '/usr/lib/nginx/modules';

my %files = (
    "$modules/ngx_http_async_module.so"                   => 644,
    '/opt/x/bin/nginx-async'                              => 755,
    '/opt/x/share/man/man1/nginx-async.1'                 => 644,
    '/opt/x/share/bash-completion/completions/nginx-async' => 644,
    '/opt/x/share/man/man7/ngx_http_async_module.7'       => 644,
    '/opt/x/share/doc/nginx-async/README.md'              => 644,
    '/opt/x/share/doc/nginx-async/examples/quickstart.conf' => 644,
    '/opt/x/share/doc/nginx-async/examples/backend.py'    => 644,
    '/opt/x/share/bash-completion/completions/nginx-async' => 644,
    '/lib/systemd/system/nginx-async.service'             => 644,
    '/usr/lib/tmpfiles.d/nginx-async.conf'                => 644,
);

is mode("$root$_"), $files{$_}, "$_ is there" for sort keys %files;

($code, $said) = says("$root/opt/x/bin/nginx-async --version");
is $code, 0, 'the program that was installed runs';
my ($version) = $said =~ /^nginx-async (\S+)$/;


# --- manual pages ----------------------------------------------------------

my %manual;

for my $page ('man1/nginx-async.1', 'man7/ngx_http_async_module.7') {
    my $path = "$root/opt/x/share/man/$page";

    ($code, $said) = says("groff -ww -Kutf8 -Tutf8 -man -P-cbou '$path'"
                          . " > $root/manual");
    is "$code $said", '0 ', "$page is set without a warning";

    $manual{$page} = slurp("$root/manual");
    like $manual{$page}, qr/^nginx-async \Q$version\E /m,
        "$page says of which version it is";
}

($code, $said) = says("LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l"
                      . " $root/opt/x/share/man/man1/nginx-async.1");
is $code, 0, 'man shows it';
like $said, qr/^NAME\n +nginx-async - /m, 'with a line for whatis';
unlike $said, qr/warning/, 'and has nothing to say of it';

my ($program, $module) = @manual{sort keys %manual};
my $source = join '', map { slurp($_) } glob 'src/module/*.c';

my @directives = $source =~ /^    \{ ngx_string\("(async\w*)"\),$/mg;
cmp_ok scalar @directives, '>', 20, 'directives are found in the source';
is_deeply [grep { $module !~ /^   \Q$_\E\n +Syntax: /m } @directives], [],
    'each has a section in ngx_http_async_module(7)';

my @variables = $source =~ /^    \{ ngx_string\("(async\w*)"\), NULL,/mg;
is_deeply [grep { $module !~ /\$\Q$_\E/ } @variables], [],
    'and so has each variable';

my ($help) = (says('build/nginx-async --help'))[1];
my ($list) = $help =~ /^Commands:\n(.*?)\n\n/ms;
my @commands = $list =~ /^  ([a-z]+)/mg;
cmp_ok scalar @commands, '>', 5, 'commands are found in --help';
is_deeply [grep { $program !~ /^ +nginx-async \Q$_\E/m } @commands], [],
    'each is in nginx-async(1)';

my %options;

for my $command (@commands) {
    my $text = (says("build/nginx-async $command --help"))[1];
    $options{$_} = $command for $text =~ /^  (--[a-z-]+)/mg;
}

is_deeply [grep { index($program, $_) < 0 } sort keys %options], [],
    'and so is each option';

# chapters that a manual page has no use for; the others are in one
my $here = join '|', 'Try it', 'Install it into your nginx',
                     'How it compares', 'Which way for which client',
                     'Build and test';
my @chapters = grep { !/^(?:$here)$/ } slurp('README.md') =~ /^## (.+)$/mg;
cmp_ok scalar @chapters, '>', 5, 'chapters are found in the README';
is_deeply [grep { "$program$module" !~ /^\U\Q$_\E$/m } @chapters], [],
    'each is in a manual page';


# --- unit ------------------------------------------------------------------

my $unit = "$root/lib/systemd/system/nginx-async.service";
my $text = slurp($unit);

like $text, qr{^ExecStart=/opt/x/bin/nginx-async worker$}m,
    'the unit starts what was installed';

($code, $said) = says('systemd-analyze security --offline=yes --no-pager'
                      . " --threshold=20 $unit");
is $code, 0, 'and exposes little' or diag $said;

my $built = "$root/nginx-async.service";
open my $out, '>', $built or die "$built: $!";
print $out $text =~ s{/opt/x/bin}{$top/build}r =~ s/^Documentation.*\n//mr;
close $out;

($code, $said) = says("systemd-analyze verify --man=no $built");
is $code, 0, 'systemd takes it';
unlike $said, qr/nginx-async\.service/, 'without a word' or diag $said;

done_testing();
