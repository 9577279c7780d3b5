#!/usr/bin/env perl

# What is in the Debian packages: of what is built, so that no compiler runs.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use File::Path qw(make_path remove_tree);
use Test::More;

my $top = abs_path("$FindBin::Bin/../..");
chdir $top or die "$top: $!";

my $root = "$top/build/t/packages";
remove_tree($root);
make_path($root);
delete @ENV{qw(MAKEFLAGS MAKELEVEL MAKEOVERRIDES NGINX_SRC)};

local $ENV{DEB_BUILD_OPTIONS} = 'noautodbgsym';
my $said = `make deb packages=$root BUILT=$top/build 2>&1`;
is $?, 0, 'make deb goes through' or diag $said;

my %package = map { m{/([^/_]+)_[^/]+$} ? ($1 => $_) : () } glob "$root/*.deb";
is_deeply [sort keys %package], [qw(libnginx-mod-http-async nginx-async)],
    'and makes two packages';

my (%field, %files, %script);

for my $name (sort keys %package) {
    my $deb = $package{$name};

    for (`dpkg-deb -f $deb`) { $field{$name}{$1} = $2 if /^(\S+): (.*)/ }

    for (`dpkg-deb -c $deb`) {
        my ($mode, $owner, $path) = (split)[0, 1, 5];
        $files{$name}{ $path =~ s/^\.//r } = "$mode $owner";
    }

    system("dpkg-deb -e $deb $root/control-$name") == 0 or die;
    for my $path (glob "$root/control-$name/*") {
        open my $in, '<', $path or die "$path: $!";
        local $/;
        $script{$name}{ $path =~ s{.*/}{}r } = <$in>;
    }
}

my ($module, $worker) = ('libnginx-mod-http-async', 'nginx-async');
my ($version) = `build/nginx-async --version` =~ /^nginx-async (\S+)$/;

is_deeply [map { $field{$_}{Version} } $module, $worker],
    ["$version-1", "$version-1"], 'they have the version of the program';
like $field{$module}{Depends}, qr/\bnginx-abi-\d/,
    'the module fits one nginx, and says which';
like $field{$worker}{Depends},
    qr/\b\Q$module\E \(= \Q$version-1\E\)/, 'and the worker one module';
like $field{$worker}{Depends}, qr/\b$_\d/, "it needs $_"
    for qw(libcurl liblmdb libcjson libssl);

my @expect = (
    [$module, '-rw-r--r--', '/usr/lib/nginx/modules/ngx_http_async_module.so'],
    [$module, '-rw-r--r--',
        '/usr/share/nginx/modules-available/mod-http-async.conf'],
    [$module, '-rw-r--r--', '/usr/share/man/man7/ngx_http_async_module.7.gz'],
    [$module, '-rw-r--r--', "/usr/share/doc/$module/copyright"],
    [$worker, '-rwxr-xr-x', '/usr/bin/nginx-async'],
    [$worker, '-rw-r--r--', '/usr/share/man/man1/nginx-async.1.gz'],
    [$worker, '-rw-r--r--',
        '/usr/share/bash-completion/completions/nginx-async'],
    [$worker, '-rw-r--r--', '/lib/systemd/system/nginx-async.service'],
    [$worker, '-rw-r--r--', '/usr/lib/tmpfiles.d/nginx-async.conf'],
    [$worker, '-rw-r--r--', "/usr/share/doc/$worker/changelog.gz"],
    [$worker, '-rw-r--r--',
        "/usr/share/doc/$worker/examples/quickstart.conf"],
);

for (@expect) {
    my ($name, $mode, $path) = @$_;
    is $files{$name}{$path}, "$mode root/root", "$name has $path";
}

is_deeply [grep { m{^/(?:etc|var)/} } map { keys %$_ } values %files], [],
    'no configuration, and no data';

like $script{$module}{postinst}, qr/mod-http-async\.conf:50-mod-http-async/,
    'the module is switched on, as those of Debian are';
like $script{$worker}{postinst}, qr/systemd-tmpfiles.*nginx-async\.conf/,
    'the folder of the store is made';
like $script{$worker}{postinst}, qr/deb-systemd-invoke \$_dh_action/,
    'the worker is started';

for my $name ($module, $worker) {
    like $script{$name}{postrm}, qr{= purge .*?rm -rf /var/lib/nginx-async$}ms,
        "$name: jobs are removed by purge";
    unlike $script{$name}{$_} // '', qr{rm -r.* /var/lib}, "and not by $_"
        for qw(preinst postinst prerm);
}

done_testing();
