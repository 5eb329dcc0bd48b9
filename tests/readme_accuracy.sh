#!/bin/sh
# readme_accuracy.sh BENCH RESULTS README: the README's table is what these stored results say, line by line.
set -eu
bench=$1 results=$2 readme=$3
missing=0
table=$("$bench" accuracy --from "$results" --output readme)
[ "$(printf '%s\n' "$table" | wc -l)" -gt 10 ]
old_ifs=$IFS
IFS='
'
for line in $table; do
  grep -qFx -e "$line" "$readme" || { echo "not in the README: $line"; missing=$((missing + 1)); }
done
IFS=$old_ifs
[ "$missing" -eq 0 ]
