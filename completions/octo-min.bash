# bash completion for octo-min
_octo_min()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --faults)
        mapfile -t COMPREPLY < <(compgen -W 'swarm none all disk' -- "$word")
        return
        ;;
    -o | --output)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --seed | --scenario | --nodes | --ops | --io-errors | --crash-cycles | --jobs | --for)
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--seed --scenario --nodes --ops --faults --io-errors --crash-cycles --unbounded --same-seed --jobs --for --json --version
            -o --output -q --quiet -h --help' -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _octo_min octo-min
