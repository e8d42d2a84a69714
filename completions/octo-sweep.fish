# fish completion for octo-sweep
complete -c octo-sweep -f
complete -c octo-sweep -l only -x -a 'fail crash twice damage mend' -d 'one sweep alone'
complete -c octo-sweep -l nodes -x -a '1 3' -d 'the workload of so many voters'
complete -c octo-sweep -l quick -d 'every 7th point only'
complete -c octo-sweep -l every -d 'run again what is the same'
complete -c octo-sweep -l point -x -d 'this point alone, with its trace'
complete -c octo-sweep -l failures -x -d 'tell at most so many of a row'
complete -c octo-sweep -l json -d 'one JSON object'
complete -c octo-sweep -s h -l help -d 'show the flags'
complete -c octo-sweep -l version -d 'show the version'
