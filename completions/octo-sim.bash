# bash completion for octo-sim
_octo_sim()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --faults)
        mapfile -t COMPREPLY < <(compgen -W 'swarm none all disk' -- "$word")
        return
        ;;
    --nodes | --dump)
        mapfile -t COMPREPLY < <(compgen -W '1 2 3 4 5 6 7 8 9' -- "$word")
        return
        ;;
    --scenario)
        mapfile -t COMPREPLY < <(compgen -W "$(octo-sim --list-scenarios 2>/dev/null |
            cut -d ' ' -f 1)" -- "$word"; compgen -f -X '!*.yaml' -- "$word")
        return
        ;;
    --trace | --record | --replay)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --seed | --seeds | --ops | --until | --io-errors | --crash-cycles)
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W '--seed --seeds --keep-going --scenario --list-scenarios --nodes --ops --faults --io-errors
        --crash-cycles --unbounded --trace --record --replay --until --dump --check-determinism --json -q --quiet -h --help --version' -- "$word")
}
complete -F _octo_sim octo-sim
