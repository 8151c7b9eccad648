# Completion of barnabasctl for bash. Topics and groups are asked of the broker.

_barnabasctl_names() {
    local kind=$1 i bootstrap=()
    for ((i = 1; i < COMP_CWORD - 1; i++)); do
        case ${COMP_WORDS[i]} in
        -b | --bootstrap) bootstrap=(-b "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    timeout 2 "${COMP_WORDS[0]}" "$kind" list "${bootstrap[@]}" 2>/dev/null | awk 'NR > 1 {print $1}'
}

_barnabasctl() {
    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}
    local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]}
    local words=
    if ((COMP_CWORD == 1)); then
        words="topic group produce consume config cluster quorum log format info random-uuid bench --help --version"
    elif ((COMP_CWORD == 2)) && [[ $first == @(topic|group|config|log) ]]; then
        case $first in
        topic) words="list describe create delete alter offsets" ;;
        group) words="list describe reset-offsets delete" ;;
        config) words="describe alter" ;;
        log) words="dump" ;;
        esac
    elif [[ $word == -* && $first == @(topic|group|produce|consume|config|cluster) ]]; then
        local command=("$first")
        [[ $first == @(topic|group|config) ]] && command+=("$second")
        words=$("${COMP_WORDS[0]}" "${command[@]}" --help 2>/dev/null | grep -oE '^--[a-z][a-z-]*')
    elif [[ $last == @(-z|--compression) ]]; then
        words="none gzip snappy lz4 zstd"
    elif [[ $last == @(-G|--group) ]]; then
        words=$(_barnabasctl_names group)
    elif [[ $first == config ]] && ((COMP_CWORD == 3)); then
        words="topic broker group client-metrics"
    elif [[ $first == config && ${COMP_WORDS[3]} == broker ]]; then
        words=default
    elif [[ $first == group || ($first == config && ${COMP_WORDS[3]} == group) ]] &&
        [[ $last != @(-t|--topic) ]]; then
        words=$(_barnabasctl_names group)
    elif [[ $first == @(topic|produce|consume|config) || $last == @(-t|--topic) ]]; then
        words=$(_barnabasctl_names topic)
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    if [[ ${#COMPREPLY[@]} == 0 && $first == @(log|produce|format|info) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F _barnabasctl barnabasctl
