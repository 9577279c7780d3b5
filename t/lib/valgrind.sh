#!/bin/sh
#
# Runs nginx under valgrind, with the arguments given; another program if
# the first argument is one.  The report of each process, of those too that
# it forks, is <pid> in the folder ASYNC_VALGRIND, and complete once it has a
# line "ERROR SUMMARY".  What VALGRIND_OPTS holds is added by valgrind, such
# as --track-origins=yes.

top=$(cd "$(dirname "$0")/../.." && pwd)

case $1 in
    -v|-V) exec "$top/build/nginx" "$@" ;;
    -*)    set -- "$top/build/nginx" "$@" ;;
esac

# what a module's variables point to is not lost because nginx unloads the
# module before it exits
LD_PRELOAD=$top/build/valgrind/keep.so${LD_PRELOAD:+:$LD_PRELOAD}
export LD_PRELOAD

exec valgrind --vgdb=no --num-callers=40 \
    --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite \
    --suppressions="$top/t/lib/valgrind.supp" \
    --log-file="${ASYNC_VALGRIND:?}/%p" "$@"
