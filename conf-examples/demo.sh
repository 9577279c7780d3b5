#!/bin/bash
#
# make demo: nginx with quickstart.conf, the worker and the sample backend;
# one real job from its submission to its result.  Stays up until Ctrl-C;
# with ONESHOT=1 it ends after that job, 0 only if the result arrived.
#
# Everything is in build/demo, and nothing that is started here outlives it.

set -u -o pipefail
cd "$(dirname "$0")/.."

site=http://127.0.0.1:8080
demo=build/demo
pids=()


say() { printf '\n%s\n' "$*"; }
give_up() { printf '\n%s\n' "$*" >&2; exit 1; }

# what a person types; in here without the progress bar and any proxy
curl() { command curl -sS --noproxy '*' "$@"; }

# shows a command, then runs it
show() { printf '\n$ %s\n' "$1"; eval "$1"; }

listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; }

# started in the background, with a log of its own; ends when this script
# does, even if that was killed
start() {
    local log=$demo/$1.log
    shift
    setpriv --pdeathsig TERM "$@" < /dev/null >> "$log" 2>&1 &
    pids+=($!)
}

wait_for_port() {
    local pid=${pids[-1]}
    for _ in {1..100}; do
        listens "$1" && return
        kill -0 "$pid" 2> /dev/null || break
        sleep 0.1
    done
    tail -n 5 $demo/*.log >&2
    give_up "$2 did not start; its log is in $demo."
}

# asks all to end, and waits for it
stop_all() {
    trap '' INT TERM HUP PIPE
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2> /dev/null
    done
    for _ in {1..100}; do
        kill -0 "${pids[@]}" 2> /dev/null || break
        sleep 0.1
    done
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2> /dev/null
    done
    wait 2> /dev/null
}

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<< "$2"; }


for port in 8080 8081; do
    if listens $port; then
        give_up "Port $port on 127.0.0.1 is in use, and the demo needs it." \
                "ss -ltnp 'sport = :$port' tells who has it."
    fi
done

rm -rf $demo
mkdir -p $demo
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP PIPE

# as root, nginx takes another user for its workers: one who can get here
globals='daemon off;'
if [ "$(id -u)" = 0 ]; then
    owner=$(stat -c '%U %G' .)
    case $owner in *UNKNOWN*) owner='root root' ;; esac
    globals="$globals user $owner;"
fi

start backend python3 conf-examples/backend.py 8081
wait_for_port 8081 'The sample backend'

start nginx build/nginx -p "$PWD" -c conf-examples/quickstart.conf \
      -e $demo/error.log -g "$globals"
wait_for_port 8080 nginx

start worker build/nginx-async worker --store $demo/store


say "The backend needs three seconds for a report. nginx answers at once:"

words='the quick brown fox jumps over the lazy dog'
show "curl -i -d '$words' '$site/reports?seconds=3'" | tee $demo/202 \
    || give_up "The submission failed."
printf '\n'

location=$(sed -n 's/^Location: *\(.*[^\r]\)\r*$/\1/Ip' $demo/202)
[ -n "$location" ] || give_up "The answer has no Location."

say "The job is on disk. What its status says, whenever it changes:"
printf '\n$ curl %s\n' "$location"

shown=
for _ in {1..300}; do
    document=$(curl "$location") || give_up "No answer."
    status=$(field status "$document")
    if [ "$status" != "$shown" ]; then
        printf '%s\n' "$document"
        shown=$status
    fi
    case $status in completed|failed|canceled) break ;; esac
    sleep 0.1
done

[ "$status" = completed ] || give_up "The job ended as: ${status:-unknown}."

say "It is done. Its result is what the backend answered:"

show "curl -i $location/result" | tee $demo/result \
    || give_up "The result could not be fetched."

grep -q '^HTTP/1.1 200' $demo/result && grep -q '"words": 9' $demo/result \
    || give_up "That is not what the backend computes."

[ -z "${ONESHOT:-}" ] || { say "The demo did what it should."; exit 0; }


cat << END

To try by hand, while this runs:

  curl -i -d 'some words' '$site/reports?seconds=10'
  curl -i $location
  curl -i $location/result
  tail -f $demo/backend.log

The configuration is conf-examples/quickstart.conf. Ctrl-C ends it.
END

wait -n "${pids[@]}"
tail -n 5 $demo/*.log >&2
give_up "One of the programs ended by itself; the logs are in $demo."
