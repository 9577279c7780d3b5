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
        { tail -n 15 <<< "$said"; journalctl -u nginx-async -o cat -n 15; } \
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
install()  { apt-get -q -y install "${@:2}" /usr/src/"$1"/*.deb; }
active()   { systemctl -q is-active "$1"; }
accepts()  { job=$(curl -si -d "$2" "${@:3}" "$url?seconds=$1" | tr -d '\r' \
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
        s|location /jobs|location = /metrics { async_metrics; }\n    &|
        s|async_metrics;|& allow 127.0.0.1; deny all;|' $site
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

# what "systemctl edit" makes of the README's lines
keyed=$(cat /etc/nginx/conf.d/async.conf)
edited=/etc/systemd/system/nginx-async.service.d
echo 'async_store /srv/jobs;' > /etc/nginx/conf.d/async.conf
reload > /dev/null 2>&1
mkdir -p $edited
printf '[Service]\nEnvironment=NGINX_ASYNC_STORE=%s\nReadWritePaths=%s\n' \
    /srv/jobs /srv/jobs > $edited/override.conf
systemctl daemon-reload
systemctl restart nginx-async
ok 'a job runs in another store' completes 0 x
ok 'where the command line finds it' eval \
    'nginx-async --store /srv/jobs jobs | grep "$(basename "$(cat /run/job)")"'

rm -r $edited
echo "$keyed" > /etc/nginx/conf.d/async.conf
reload > /dev/null 2>&1
systemctl daemon-reload
systemctl restart nginx-async
ok 'and in the first one again' completes 0 x


# --- webhooks ------------------------------------------------------------------

# two receivers: one at an address, and one with a name and a certificate of an
# authority of our own
key=/etc/nginx/webhook.secret
got=/run/webhooks
plain=http://127.0.0.1:8000/in
tls=https://hooks.example.test:8443/in

echo '127.0.0.1 hooks.example.test' >> /etc/hosts
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hooks.example.test \
    -addext subjectAltName=DNS:hooks.example.test \
    -keyout /run/tls.pem -out /run/tls.crt 2> /dev/null
cat /run/tls.crt >> /run/tls.pem

receives() { python3 /usr/src/receiver.py "$1" "/run/$1.key" $got "${@:2}" & }
tells()    { accepts 0 'two words' -H "X-Callback-Url: $1"; }
last()     { nginx-async webhooks --json --limit 1 | jq -r ".webhooks[0].$1"; }
last_is()  { [ "$(last "$1")" = "$2" ]; }
again()    { nginx-async redeliver "$(basename "$(cat /run/job)")"; }
delivers() { again && within 60 last_is status delivered; }
arrives()  { grep "^msg_$(basename "$(cat /run/job)") job.completed " $got; }
words()    { curl -fs "$(arrives | cut -d ' ' -f 3)" | jq .words; }

sed -i "s|async on;|&\\n\
        async_callback \$http_x_callback_url;\\n\
        async_callback_allow 127.0.0.1 hooks.example.test;\\n\
        async_callback_secret $key per=host;\\n       |" $site
(umask 077 && nginx-async keygen > $key)
ok 'a location has webhooks' reload
ok 'a URL that is not allowed is refused' is "$(curl -s -d x "$url?seconds=0" \
    -H 'X-Callback-Url: http://127.0.0.2/in' | jq -r .code)" callback-refused

# the worker cannot read the secret yet, and a receiver has no key of its own
nginx-async keygen > /run/8000.key
receives 8000

tells $plain
ok 'a secret that the worker cannot read is missed' \
    within 60 last_is error no-secret
chgrp www-data $key
chmod 640 $key
again > /dev/null
ok 'a receiver with another key refuses' within 60 last_is lastStatus 401
nginx-async keygen --for 127.0.0.1 > /run/8000.key
ok 'with its own it takes the webhook' delivers
ok 'which is signed and has arrived' arrives
ok 'and leads to the result' is "$(words)" 2

nginx-async keygen --for hooks.example.test > /run/8443.key
receives 8443 /run/tls.pem
tells $tls
ok 'an authority that is not known is not trusted' within 60 last_is error tls
cp /run/tls.crt /usr/local/share/ca-certificates/hooks.crt
update-ca-certificates > /dev/null 2>&1
ok 'one that the system knows is' delivers
ok 'and the other receiver has its webhook' arrives

kill "$(pgrep -f 'receiver.py 8000')"
tells $plain
ok 'a receiver is away' within 60 last_is error unreachable
owed=$(cat /run/job)


# --- Prometheus ----------------------------------------------------------------

rules=/usr/share/doc/nginx-async/examples/prometheus-rules.yml

asks()      { local answer; answer=$(curl -fsG "${@:3}" \
                  "http://localhost:9090/api/v1/$1") && jq -r "$2" <<< "$answer"; }
counts()    { asks query '.data.result[0].value[1]' \
                  --data-urlencode "query=$1"; }
reads()     { curl -fs http://localhost/metrics | sed -n "s/^$1 //p"; }
agrees()    { [ "$(counts "$1")" = "$(reads "$1")" ]; }
scrapes()   { asks targets '.data.activeTargets[]
                              | .labels.job + " " + .health' 2> /dev/null \
                  | grep -x 'nginx-async up'; }
alerts()    { asks alerts '.data.alerts[].labels.alertname'; }
is_due()    { alerts | grep -x "$1"; }
none_is_due() { local due; due=$(alerts) && [ -z "$due" ]; }
evaluates() { [ "$(asks rules '.data.groups[].rules[]
                                 | .health + " " + .name' | sort)" \
                = "$(sed -n 's/.*- alert: /ok /p' $rules | sort)" ]; }

ok 'Prometheus is installed' install prometheus --no-install-recommends
cp $rules /etc/prometheus/nginx-async.yml
cat > /etc/prometheus/prometheus.yml << 'END'
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ /etc/prometheus/nginx-async.yml ]
scrape_configs:
  - job_name: nginx-async
    static_configs: [ { targets: [ '127.0.0.1:80' ] } ]
END
ok 'its configuration is right' \
    promtool check config /etc/prometheus/prometheus.yml
systemctl restart prometheus
ok 'it scrapes nginx' within 120 scrapes

completed='nginx_async_jobs_finished_total{queue="default",status="completed"}'
delivered='nginx_async_webhook_attempts_total{result="delivered"}'
ok 'jobs have completed' test "$(reads "$completed")" -gt 5
ok 'and it has counted them' within 30 agrees "$completed"
ok 'webhooks were delivered' is "$(reads "$delivered")" 2
ok 'and it has counted them, too' within 30 agrees "$delivered"
ok 'it evaluates the alert rules' within 30 evaluates
ok 'none is due' none_is_due
systemctl stop nginx-async
ok 'no worker is an alert' within 60 is_due AsyncNoWorker
systemctl start nginx-async
ok 'until there is one again' within 60 none_is_due


# --- upgrade ---------------------------------------------------------------------

old=$(nginx-async --version)
accepts 5 'while it is upgraded'
cut=$(cat /run/job)
ok 'the packages are upgraded' install new
ok 'to another version' test "$old" != "$(nginx-async --version)"
ok 'the job that ran has completed' within 60 is_now completed
ok 'new worker and old module understand each other' completes 0 x
echo "$owed" > /run/job
receives 8000
ok 'a webhook that was owed is delivered' delivers
ok 'and has arrived' arrives
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

kill $(jobs -p)
echo "1..$tests"
