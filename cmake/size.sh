#!/bin/sh
# size.sh libsigmax.a: what the library takes in a program, in bytes of code and constants: each ISA row, each backend's
# other code, and each activation in each row (its forward forms for three dtypes and two tiers, and its gradient).
set -eu
library=$(readlink -f "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Members of one name, kernels.cpp.o, are told apart by the table that they define.
nm -A -C -S --size-sort --defined-only "$library" >"$work/unused" 2>/dev/null || { echo "$library: no archive"; exit 1; }
n=0
for member in $(ar t "$library"); do
  count=$(ar t "$library" | head -n $((n + 1)) | grep -cxF "$member")
  n=$((n + 1))
  (cd "$work" && ar xN "$count" "$library" "$member" && mv "$member" "$n.o")
  row=$(nm "$work/$n.o" | sed -n 's/.* [BDR] _ZN6sigmax[0-9]*[a-z_]*kernels_\(.*\)E$/\1/p')
  bytes=$(size "$work/$n.o" | awk 'NR == 2 {print $1 + $2}')
  if [ -n "$row" ]; then
    echo "row $row $bytes"
    nm -C -S --size-sort "$work/$n.o" | sed -n "s/^[0-9a-f]* \([0-9a-f]*\) [a-zA-Z] .*::\([a-z0-9_]*\)_\(op\|gate\)\b.*/op $row \2 \1/p"
  else
    echo "other $(echo "$member" | sed 's/\..*//') $bytes"
  fi
done | awk '
  function hex(text,   i, value) {
    value = 0
    for (i = 1; i <= length(text); i++) value = 16 * value + index("0123456789abcdef", substr(text, i, 1)) - 1
    return value
  }
  $1 == "row" { if (!($2 in size)) rows[++n] = $2; size[$2] += $3; total += $3 }
  $1 == "other" { other[$2] += $3; total += $3 }
  $1 == "op" { op[$3, $2] += hex($4); seen[$3] = 1; of_ops[$2] += hex($4) }
  END {
    printf "%-18s", "bytes"
    for (i = 1; i <= n; i++) printf "%10s", rows[i]
    printf "\n%-18s", "all of the row"
    for (i = 1; i <= n; i++) printf "%10d", size[rows[i]]
    printf "\n%-18s", "softmax and rest"
    for (i = 1; i <= n; i++) printf "%10d", size[rows[i]] - of_ops[rows[i]]
    printf "\n"
    sort = "sort"
    for (name in seen) {
      line = sprintf("%-18s", name)
      for (i = 1; i <= n; i++) line = line sprintf("%10d", op[name, rows[i]])
      print line | sort
    }
    close(sort)
    printf "\nbaseline code:"
    for (name in other) printf " %s %d", name, other[name]
    printf "\nall: %d\n", total
  }'
