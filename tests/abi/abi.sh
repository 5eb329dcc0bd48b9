#!/bin/sh
# abi.sh CC INCLUDE_DIRECTORY LIBRARY BASELINE [--update]: compares the C ABI with the committed baseline: every
# declaration of sigmax.h with its enumerators, the size of each struct and the offset of each member, the exported
# symbols with their versions, the soname. Also that the library exports nothing but its two APIs.
set -eu
cc=$1 include=$2 library=$3 baseline=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One declaration a line, only of our own headers.
printf '#include <sigmax/sigmax.h>\n' | "$cc" -std=c11 -E -I "$include" - | awk '
  /^# [0-9]+ "/ { ours = index($3, "/sigmax/") > 0; next }
  ours { text = text " " $0 }
  END {
    depth = 0; line = ""
    for (i = 1; i <= length(text); i++) {
      c = substr(text, i, 1)
      if (c == "{") depth++
      if (c == "}") depth--
      line = line c
      if (c == ";" && depth == 0) { gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ ;$/, ";", line); print line; line = "" }
    }
  }' >"$work/declarations"

{
  echo '#include <sigmax/sigmax.h>'
  echo '#include <stdio.h>'
  echo 'int main(void) {'
  sed -n 's/^typedef struct \([a-z_]*\) { \(.*\) } [a-z_]*;$/\1; \2/p' "$work/declarations" | awk -F ' *; *' '{
    printf "printf(\"%s: %%zu bytes\\n\", sizeof(%s));\n", $1, $1
    for (i = 2; i <= NF; i++) {
      member = $i
      if (member == "") continue
      if (match(member, /\(\*[a-z_]+\)/)) member = substr(member, RSTART + 2, RLENGTH - 3)
      else { sub(/\[.*/, "", member); sub(/.*[ *]/, "", member) }
      printf "printf(\"%s.%s: %%zu\\n\", offsetof(%s, %s));\n", $1, member, $1, member
    }
  }'
  echo '}'
} >"$work/layout.c"
"$cc" -std=c11 -I "$include" "$work/layout.c" -o "$work/layout"

nm -D --defined-only "$library" | awk '{print $NF}' | sort >"$work/symbols"
{
  echo '== declarations'
  cat "$work/declarations"
  echo '== offsets in bytes'
  "$work/layout"
  echo '== symbols'
  grep '^sigmax_' "$work/symbols"
  echo '== soname'
  objdump -p "$library" | awk '$1 == "SONAME" {print $2}'
} >"$work/abi"

if c++filt <"$work/symbols" | grep -vE '^(sigmax_[a-z_]+|sigmax::.*|SIGMAX_[0-9.]+)(@@SIGMAX_[0-9.]+)?$'; then
  echo 'the library exports these, which belong to neither API'
  exit 1
fi
if [ "${5:-}" = --update ]; then
  cp "$work/abi" "$baseline"
  exit 0
fi
if ! diff "$baseline" "$work/abi" >"$work/changes"; then
  cat "$work/changes"
  echo 'The C ABI is not that of the baseline. New functions, enumerators at the end and members at the end are fine:'
  echo "add --update to this command and commit. Anything else breaks callers; see CONTRIBUTING.md."
  exit 1
fi
echo "$(wc -l <"$work/declarations") declarations and $(grep -c '^sigmax_' "$work/symbols") symbols as in the baseline"
