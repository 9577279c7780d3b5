#!/bin/bash
#
# A new administrator's day on a Debian 12 of its own: make trial.
#
# A folder is filled with Debian's base system, from the mirror that this
# machine uses.  In it the packages are built as the README says, twice, the
# second time with a higher version.  The folder becomes a disk, and qemu boots
# it, with systemd and without a network: administrator.sh does the rest there
# and prints TAP on the console.  Takes root, a quarter of an hour and 6 GB in
# build/trial.  ACCEL=kvm is faster where that works; OLD=<folder> has packages
# of an earlier version to upgrade from.

set -eu

work=build/trial
root=$work/root
base=$work/base.tar
source=$root/usr/src/nginx-async

[ "$(id -u)" = 0 ] || { echo "make trial wants to be root" >&2; exit 1; }

let_go() { umount "$root/proc" "$root/dev" 2> /dev/null || true; }
trap let_go EXIT
let_go
rm -rf "$root"
mkdir -p "$root"

inside() { chroot "$root" env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }

# runs quietly: what it said is in a file
quietly() {
    echo "$1"
    shift
    "$@" > "$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
}


# --- a Debian ---------------------------------------------------------------

bootstrap() {
    mirror=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
                 'Codename: bookworm' --format '$(REPO_URI)' | head -n 1)
    debootstrap --variant=minbase --include=ca-certificates,curl,dbus,git,jq,\
make,man-db,openssl,procps,python3-minimal,systemd-sysv \
        bookworm "$root" "$mirror"

    rm -rf "$root/etc/apt"
    cp -aL /etc/apt "$root/etc/apt"
    cp -aL /usr/share/keyrings/. "$root/usr/share/keyrings/"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"

    # nothing starts in here before it is booted
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"

    mount -t proc proc "$root/proc"
    inside apt-get -q update
    inside apt-get -q -y --no-install-recommends install \
        nginx linux-image-cloud-amd64 python3
    umount "$root/proc"
    tar -C "$root" -cf "$base" .
}

if [ -e "$base" ]; then
    quietly 'unpacking a Debian' tar -C "$root" -xf "$base"
else
    quietly 'fetching a Debian' bootstrap
fi

mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"


# --- the packages, as the README has them -----------------------------------

mkdir -p "$source"
git ls-files -z | tar --null -T - -cf - | tar -C "$source" -xf -

build() {
    inside make -C /usr/src/nginx-async deb
    mkdir "$root/usr/src/$1"
    cp "$source"/build/*.deb "$root/usr/src/$1/"
}

if [ -n "${OLD-}" ]; then
    mkdir "$root/usr/src/old"
    cp "$OLD"/*.deb "$root/usr/src/old/"
else
    quietly 'make deb' build old
fi

sed -i 's/\(define ASYNC_VERSION  "[0-9.]*\)"/\1.1"/' \
    "$source/src/tool/async_main.c"
quietly 'make deb, a later version' build new

# to be installed there, where there is no network
monitor() {
    mkdir -p "$root/usr/src/prometheus/partial"
    inside apt-get -q -y --no-install-recommends --download-only \
        -o Dir::Cache::archives=/usr/src/prometheus install prometheus
}
quietly 'fetching Prometheus' monitor


# --- the machine ------------------------------------------------------------

rm "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/var/cache/apt/archives/*.deb "$source/build"
cp t/trial/administrator.sh t/trial/receiver.py "$root/usr/src/"
echo '/dev/vda / ext4 rw 0 1' > "$root/etc/fstab"

cat > "$root/etc/systemd/system/trial.service" << 'END'
[Unit]
After=multi-user.target

[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/bash /usr/src/administrator.sh
ExecStopPost=/bin/systemctl poweroff

[Install]
WantedBy=multi-user.target
END

inside systemctl -q enable trial.service
inside systemctl -q mask serial-getty@ttyS0.service
let_go

rm -f "$work/disk"
truncate -s 4G "$work/disk"
quietly 'making a disk of it' mke2fs -q -t ext4 -F -d "$root" "$work/disk"

echo 'booting it'
timeout 1800 qemu-system-x86_64 -accel "${ACCEL:-tcg,thread=multi}" -cpu max \
    -m 1024 -smp 2 -nographic -no-reboot -nic none \
    -kernel "$root"/boot/vmlinuz-* -initrd "$root"/boot/initrd.img-* \
    -append 'root=/dev/vda rw console=ttyS0 quiet systemd.show_status=0' \
    -drive "file=$work/disk,if=virtio,format=raw" \
    < /dev/null | stdbuf -oL tr -d '\r' | tee "$work/console" | grep --line-buffered \
    -E '^(ok|not ok|#|[0-9]+\.\.)' || true

plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$work/console")
good=$(grep -c '^ok ' "$work/console" || true)
bad=$(grep -c '^not ok ' "$work/console" || true)

echo "$good passed, $bad failed"
[ -n "$plan" ] && [ "$plan" = "$good" ]
