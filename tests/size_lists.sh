#!/bin/sh
# size_lists.sh SIZE LIBRARY DEF...: the target `size` tells bytes for every function of the lists.
set -eu
table=$("$1" "$2")
shift 2
names=$(sed -n 's/^SIGMAX_[A-Z]*(\([a-z0-9_]*\)).*/\1/p' "$@")
[ -n "$names" ] || { echo "no functions in $*"; exit 1; }
for name in $names; do
  echo "$table" | grep -qE "^$name +[1-9]" || { echo "no size of $name"; exit 1; }
done
echo "$table"
