#!/bin/sh
# every_function.sh BASELINE TEXT FILE...: each exported function of the C ABI, `name` after sigmax_, is somewhere in the
# files as TEXT, in which % stands for the name: 'sigmax_%(' for a call of it.
set -eu
baseline=$1 text=$2
shift 2
names=$(sed -n '/^== symbols/,/^== soname/s/^sigmax_\([a-z_0-9]*\).*/\1/p' "$baseline")
[ -n "$names" ] || { echo "no symbols in $baseline"; exit 1; }
missing=0
for name in $names; do
  # A longer name that ends alike must not count.
  wanted=$(printf '%s' "$text" | sed "s/%/$name/")
  if ! cat "$@" | grep -qE "(^|[^a-z_])$(printf '%s' "$wanted" | sed 's/[(]/[(]/g')"; then
    echo "sigmax_$name is not in $*"
    missing=1
  fi
done
[ $missing = 0 ] && echo "all $(echo "$names" | wc -l) functions are in $*"
exit $missing
