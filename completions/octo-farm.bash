# bash completion for octo-farm
_octo_farm()
{
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $previous in
    --db | --ndjson | --junit | --html | report | merge)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --scenario)
        mapfile -t COMPREPLY < <(compgen -W 'all' -- "$word")
        return
        ;;
    --seeds | --for | --shard | --jobs | --budget | --memory)
        return
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W 'report merge --scenario --seeds --for --shard --jobs
        --budget --memory --db --ndjson --junit --html --list-scenarios -q --quiet -h --help --version' -- "$word")
}
complete -F _octo_farm octo-farm
