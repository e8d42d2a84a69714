# bash completion for octo-wal
_octo_wal()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    octo-wal)
        mapfile -t COMPREPLY < <(compgen -W 'dump verify explain --help --version' -- "$word")
        return
        ;;
    --topic)
        mapfile -t COMPREPLY < <(compgen -W 'main recovery' -- "$word")
        return
        ;;
    --node)
        mapfile -t COMPREPLY < <(compgen -W '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15' -- "$word")
        return
        ;;
    --segment | --from | --limit | --cluster)
        return
        ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--topic --segment --from --limit --cluster --node
            --json -q --quiet -h --help --version' -- "$word")
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    fi
}
complete -F _octo_wal octo-wal
