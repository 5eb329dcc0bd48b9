#!/bin/sh
# isa_object.sh ROW FILE...: each object of an ISA row defines one symbol and no weak one, so that the linker can keep no
# function of it for another row; baseline code (and the sse2 row) uses no vector register wider than 128 bits.
set -eu
row=$1
shift
for file in "$@"; do
  [ "$row" != baseline ] || break
  defined=$(nm --defined-only "$file" | awk '$2 ~ /[A-Zuvw]/ && $3 != "DW.ref.__gxx_personality_v0" {print $2, $3}')
  echo "$defined"
  [ "$(echo "$defined" | wc -l)" -eq 1 ] || { echo "$row: more than one symbol leaves the object"; exit 1; }
  echo "$defined" | grep -q "kernels_$row" || { echo "$row: the one symbol is not its table"; exit 1; }
done
case $row in
sse2) listing=$(objdump -d --no-show-raw-insn "$@") ;;
baseline)  # every object of the library but the wider rows
  file=$1
  directory=$(mktemp -d)
  trap 'rm -rf "$directory"' EXIT
  (cd "$directory" && ar x "$file" $(ar t "$file" | grep -v 'kernels.cpp'))
  listing=$(objdump -d --no-show-raw-insn "$directory"/*.o) ;;
*) exit 0 ;;
esac
if echo "$listing" | grep -m 3 -E '%[yz]mm[0-9]'; then
  echo "$row: registers wider than the baseline's"
  exit 1
fi
echo "$row: no ymm, no zmm"
