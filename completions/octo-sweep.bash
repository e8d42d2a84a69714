# bash completion for octo-sweep
_octo_sweep()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --only)
        mapfile -t COMPREPLY < <(compgen -W 'fail crash twice damage mend' -- "$word")
        return
        ;;
    --nodes)
        mapfile -t COMPREPLY < <(compgen -W '1 3' -- "$word")
        return
        ;;
    --point | --failures)
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W '--only --nodes --quick --every --point --failures --json
        -h --help --version' -- "$word")
}
complete -F _octo_sweep octo-sweep
