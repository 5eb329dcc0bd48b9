# source bench/completion.bash: completes sigmax-bench's commands and options from what its own --help lists.
_sigmax_bench() {
  local program=${COMP_WORDS[0]} command=${COMP_WORDS[1]} current=${COMP_WORDS[COMP_CWORD]} words
  if ((COMP_CWORD == 1)); then
    words=$("$program" --help 2>/dev/null | sed -n '/^Subcommands:/,$ s/^  \([a-z]*\) .*/\1/p')
  elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --op ]]; then
    words=$("$program" list --output json 2>/dev/null | sed -n 's/^      "name": "\(.*\)",$/\1/p')
  elif [[ $current == -* ]]; then
    words=$("$program" "$command" --help 2>/dev/null | sed -n 's/^ *\(--[a-z-]*\).*/\1/p')
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _sigmax_bench sigmax-bench
