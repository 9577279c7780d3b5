#!/bin/bash
#
# What an administrator does with an existing site, by the README: inside the
# machine that run.sh boots.  Prints TAP; what goes wrong is explained by the
# journal, which follows a failure.

export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

store=/var/lib/nginx-async
site=/etc/nginx/sites-available/default
url=http://localhost/reports
tests=0

echo        # what the firmware has left on the line

# ok TITLE COMMAND...
ok() {
    local title=$1
    shift
    tests=$((tests + 1))

    if said=$("$@" 2>&1); then
        echo "ok $tests - $title"
    else
        echo "not ok $tests - $title"
        { echo "$said"; journalctl -u nginx-async -o cat -n 15; } \
            | sed 's/^/# /'
    fi
}

# within SECONDS COMMAND...
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.3
    done
}

is()       { [ "$1" = "$2" ] || { echo "is '$1', not '$2'"; return 1; }; }
install()  { apt-get -q -y install /usr/src/"$1"/*.deb; }
active()   { systemctl -q is-active "$1"; }
accepts()  { job=$(curl -si -d "$2" "$url?seconds=$1" | tr -d '\r' \
                 | sed -n 's/^Location: //p'); echo "$job" > /run/job; }
status()   { curl -s "$(cat /run/job)" | jq -r .status; }
is_now()   { [ "$(status)" = "$1" ]; }
completes() { accepts "$1" "$2" && within 60 is_now completed; }
results()  { for job in "$@"; do curl -fs "$job/result" || return 1; done; }
modules()  { cat $(pgrep nginx | sed 's|.*|/proc/&/maps|') 2>/dev/null \
                 | grep async_module | grep -c "$1"; }
mode()     { stat -c '%a %U' "$1"; }
worker()   { systemctl show -P MainPID nginx-async; }


# --- a site as it is ---------------------------------------------------------

cat > $site << 'END'
server {
    listen 80;
    server_name localhost;
    client_max_body_size 20m;

    location /reports { proxy_pass http://127.0.0.1:8081; }
}
END

python3 /usr/src/nginx-async/conf-examples/backend.py 8081 > /dev/null 2>&1 &

nginx_up() { systemctl restart nginx; }
ok 'nginx serves a site' nginx_up
ok 'whose backend is slow' within 60 curl -fs -d x "$url?seconds=0"


# --- install ------------------------------------------------------------------

ok 'the packages are installed' install old
ok 'nginx goes on' active nginx
ok 'the worker runs, and waits for a store' within 30 active nginx-async
ok 'manual pages are there' man -w nginx-async ngx_http_async_module
ok 'the folder of the store is root'"'"'s' is "$(mode $store)" '755 root'

echo "async_store $store;" > /etc/nginx/conf.d/async.conf
sed -i 's|location /reports {|location /jobs/ { async_status; }\n    & async on;|
        s|location /jobs|location /dashboard/ { async_dashboard; }\n    &|
        s|location /jobs|location /metrics { async_metrics; }\n    &|' $site
reload() { nginx -t && systemctl reload nginx; }
ok 'directives are added, nginx is reloaded' reload
ok 'a job completes' within 60 completes 1 'some words'
first=$(cat /run/job)
ok 'with its result' results "$first"
ok 'the command line shows it' eval 'nginx-async jobs | grep -q completed'
ok 'and so does the dashboard' eval \
    'curl -fs http://localhost/dashboard/ | grep -qi "<html"'
ok 'and what Prometheus reads' eval \
    'curl -fs http://localhost/metrics | grep "finished_total.*completed.* 1$"'

for folder in 'db 700 www-data' 'spool 700 www-data' 'run 755 root'; do
    set -- $folder
    ok "$1 is $3's" is "$(mode $store/$1)" "$2 $3"
done

head -c 4000000 /dev/zero > /tmp/big
large() { curl -s --data-binary @/tmp/big -H 'Prefer: wait=30' "$url?seconds=0"; }
ok 'a large body passes' is "$(large | jq .bytes)" 4000000


# --- the unit ------------------------------------------------------------------

ok 'it is shut off well' systemd-analyze security --threshold=20 nginx-async

umask 077
openssl rand -hex 32 > /etc/nginx/async.key
chgrp www-data /etc/nginx/async.key
chmod 640 /etc/nginx/async.key
umask 022
echo "async_store $store key=/etc/nginx/async.key;" \
    > /etc/nginx/conf.d/async.conf
reload > /dev/null 2>&1
ok 'a job is encrypted with a key' completes 0 'secret words'
secret=$(cat /run/job)

systemctl kill -s KILL nginx-async
ok 'a worker that is killed comes back' completes 0 'after a kill'

mkdir -p /run/systemd/system/nginx-async.service.d
printf '[Service]\nWatchdogSec=3\n' \
    > /run/systemd/system/nginx-async.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart nginx-async
stuck=$(worker)
kill -STOP "$stuck"
another() { [ "$(worker)" != "$stuck" ] && active nginx-async; }
ok 'one that hangs is ended by the watchdog' within 60 another
rm -r /run/systemd/system/nginx-async.service.d
systemctl daemon-reload
systemctl restart nginx-async


# --- upgrade ---------------------------------------------------------------------

old=$(nginx-async --version)
accepts 5 'while it is upgraded'
cut=$(cat /run/job)
ok 'the packages are upgraded' install new
ok 'to another version' test "$old" != "$(nginx-async --version)"
ok 'the job that ran has completed' within 60 is_now completed
ok 'new worker and old module understand each other' completes 0 x
reload > /dev/null 2>&1
ok 'a reload keeps the old module' within 10 test "$(modules deleted)" -gt 0
ok 'nginx replaces itself' /etc/init.d/nginx upgrade
ok 'and has the new module' within 30 eval '[ "$(modules deleted)" = 0 ]'
systemctl restart nginx
ok 'jobs run after a restart' completes 0 x
ok 'results are still there' results "$first" "$secret" "$cut"
ok 'the store is whole' nginx-async check


# --- a backup, as the README restores it -------------------------------------------

ok 'a backup is made' nginx-async backup /tmp/jobs.tar
systemctl stop nginx nginx-async
mv $store $store.old
mkdir $store && tar -xf /tmp/jobs.tar -C $store
systemctl start nginx nginx-async
ok 'a job runs in the restored store' within 60 completes 0 x
ok 'which has the results' results "$first" "$secret" "$cut"


# --- remove ------------------------------------------------------------------------

rm /etc/nginx/conf.d/async.conf
sed -i '/async_/d; s/ async on;//' $site
ok 'the directives go' reload
ok 'and so do the packages' apt-get -q -y remove nginx-async \
    libnginx-mod-http-async
ok 'nginx goes on, without the module' nginx -t
ok 'the jobs stay' test -s $store/db/data.mdb
ok 'they are installed again' install new
ok 'and the jobs are whole' nginx-async check
ok 'both are purged' apt-get -q -y purge nginx-async libnginx-mod-http-async
ok 'and the jobs are gone' test ! -e $store
ok 'nginx goes on' active nginx

echo "1..$tests"
