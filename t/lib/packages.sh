#!/bin/bash
#
# Installs the Debian packages that are missing, and only those.
#
#   t/lib/packages.sh [--check] GROUP...       groups: build demo test bench
#                                                      valgrind deb trial
#
# With --check nothing is installed: a sentence says what to install.
# Nothing is started by it: Debian's nginx package would start a server on
# port 80, and a build has no business doing that.

set -eu

# libssl-dev, libpcre2-dev, zlib1g-dev: for nginx itself, with NGINX_SRC
build='gcc libc6-dev make nginx nginx-dev liblmdb-dev libssl-dev
       libcurl4-openssl-dev libcjson-dev libpcre2-dev zlib1g-dev'

demo='curl python3'

# the last lines: what Test::Nginx uses, see test-nginx.sh
test='chromium clang cppcheck libclang-rt-dev libcmocka-dev groff-base man-db
      nodejs npm openssl perl php-cgi procps prometheus systemd tzdata
      libhttp-message-perl libipc-run-perl liblist-moreutils-perl
      libtest-base-perl libtest-longstring-perl libtext-diff-perl
      liburi-perl libwww-perl'

# what is measured, and what it is measured beside
bench='perl wrk nghttp2-client lmdb-utils nodejs npm redis-server beanstalkd
       postgresql libnginx-mod-http-lua libnginx-mod-nchan'

valgrind='libc6-dbg valgrind'

deb='build-essential debhelper dpkg-dev'

trial='debootstrap e2fsprogs qemu-system-x86'

check=no
wanted=

for group in "$@"; do
    case $group in
        --check)            check=yes ;;
        build|demo|test|bench|valgrind|deb|trial)
                            wanted="$wanted ${!group}" ;;
        *)                  echo "$0: no group $group" >&2; exit 2 ;;
    esac
done


# Node.js may well come from elsewhere, and then its npm is no package
installed() {
    case $1 in
        nodejs) command -v node ;;
        npm)    command -v npm ;;
        *)      dpkg-query -W -f '${db:Status-Status}\n' "$1" \
                    | grep -x installed ;;
    esac >/dev/null 2>&1
}


if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: please see to it that what these packages" \
         "hold is installed:" $wanted >&2
    exit 0
fi

missing=

for package in $wanted; do
    installed "$package" || missing="$missing $package"
done

[ -n "$missing" ] || exit 0

if [ $check = yes ]; then
    echo "Packages are missing. Please run:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "Packages are missing, and installing them takes root or sudo." \
         "Please run as root:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 1
fi


# A package starts its service through one of these programs; while we
# install, they are found here first, and leave out nothing but a start.

mkdir -p build
calm=$(mktemp -d "$PWD/build/calm.XXXXXX")
trap 'rm -rf "$calm"' EXIT
chmod 755 "$calm"

cat > "$calm/invoke-rc.d" << 'END'
#!/bin/sh
case " $* " in *" start "*) exit 0 ;; esac
PATH=${PATH#*:}
export PATH
exec "${0##*/}" "$@"
END

chmod 755 "$calm/invoke-rc.d"
ln -s invoke-rc.d "$calm/deb-systemd-invoke"

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
        -o DPkg::Path="$calm:/usr/sbin:/usr/bin:/sbin:/bin" "$@"
}

echo "Installing:$missing"

if ! { apt update && apt install -y --no-install-recommends $missing; } \
     > build/packages.log 2>&1
then
    tail -n 15 build/packages.log >&2
    echo "Installing packages failed, see build/packages.log." >&2
    exit 1
fi
