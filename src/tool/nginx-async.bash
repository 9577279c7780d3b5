# Completion of nginx-async for bash.  What there is to be completed is asked
# of the program itself, so that it cannot fall behind.

_nginx_async() {
    local cur prev word command="" store=() skip=""

    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}

    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        if [[ $skip == --store ]]; then
            store=(--store "$word")
            skip=""
        elif [[ -n $skip ]]; then
            skip=""
        elif [[ $word == --store || $word == --status || $word == --queue
                || $word == --since || $word == --limit || $word == --rate
                || $word == --for || $word == --secret
                || $word == --user || $word == --grace
                || $word == --concurrency || $word == --log-level ]]; then
            skip=$word
        elif [[ $word != -* && -z $command ]]; then
            command=$word
        fi
    done

    COMPREPLY=()

    case $prev in
    --store)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --status)
        mapfile -t COMPREPLY < <(compgen -W 'queued scheduled processing
            retrying completed failed canceled' -- "$cur")
        return
        ;;
    --log-level)
        mapfile -t COMPREPLY < <(compgen -W 'error warn notice info debug' \
            -- "$cur")
        return
        ;;
    --user)
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        return
        ;;
    --queue)
        command=pause
        ;;
    esac

    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(nginx-async $command --help \
            2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p')" -- "$cur")
        return
    fi

    case $command in
    '')
        mapfile -t COMPREPLY < <(compgen -W "$(nginx-async --help \
            2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\).*/\1/p')" \
            -- "$cur")
        ;;
    show|watch|cancel|retry|delete)
        mapfile -t COMPREPLY < <(compgen -W "$(nginx-async "${store[@]}" \
            jobs --limit 200 2>/dev/null | sed -n 's/^\([0-9a-f-]\{36\}\) .*/\1/p')" \
            -- "$cur")
        ;;
    pause|resume|purge)
        mapfile -t COMPREPLY < <(compgen -W "$(nginx-async "${store[@]}" \
            queues 2>/dev/null | sed -n '2,$s/ .*//p')" -- "$cur")
        ;;
    schedules)
        if [[ $prev == schedules ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'run pause resume' -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(nginx-async "${store[@]}" \
                schedules 2>/dev/null | sed -n '2,$s/ .*//p')" -- "$cur")
        fi
        ;;
    backup|salvage)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    esac
}

complete -o filenames -F _nginx_async nginx-async
