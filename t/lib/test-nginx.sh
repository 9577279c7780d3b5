#!/bin/bash
#
# Puts Test::Nginx into build/perl.  It is in Debian's unstable suite only,
# and pure Perl: the package is fetched from the mirror that this machine
# uses already, with a list of sources that is thrown away afterwards, and
# unpacked, not installed.  What it stands on is in packages.sh.

set -eu

perl=build/perl

[ ! -e $perl/usr/share/perl5/Test/Nginx/Socket.pm ] || exit 0

mkdir -p build
work=$(mktemp -d "$PWD/build/test-nginx.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"

mirrors() {
    apt-get indextargets 'Created-By: Packages' "$@" \
        --format '$(REPO_URI)' | sort -u
}

# what is not known to be Debian's own is asked only if nothing is
all=$(mirrors 'Origin: Debian' 'Label: Debian')
[ -n "$all" ] || all=$(mirrors)

# a mirror may lag behind; what it has is signed all the same
apt() {
    apt-get -q -o Dir::Etc::SourceList="$work/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
        -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
        "$@"
}

for mirror in $all; do
    echo "deb $mirror unstable main" > "$work/sources.list"

    if apt update > "$work/log" 2>&1 \
       && (cd "$work" && apt download libtest-nginx-perl >> log 2>&1)
    then
        rm -rf $perl
        mkdir -p $perl
        dpkg -x "$work"/libtest-nginx-perl_*.deb $perl
        exit 0
    fi
done

cat "$work/log" >&2
echo "Test::Nginx (libtest-nginx-perl) could not be fetched from the" \
     "unstable suite of this machine's mirror." >&2
exit 1
