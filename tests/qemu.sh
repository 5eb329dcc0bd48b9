#!/bin/sh
# qemu.sh QEMU CPU SMOKE: the smoke program on an emulated older CPU picks a row that this CPU has, and finishes.
# qemu.sh QEMU CPU PROGRAM ARGUMENT...: another program on it.
set -eu
qemu=$1 cpu=$2 program=$3
shift 3
[ -x "$qemu" ] || { echo "skipped: no qemu-x86_64; cmake/deps.sh --qemu brings it"; exit 77; }
[ $# -eq 0 ] || exec "$qemu" -cpu "$cpu" "$program" "$@"
out=$("$qemu" -cpu "$cpu" "$program")
echo "$out"
case $cpu in
Nehalem) echo "$out" | grep -q '^chosen sse2$' ;;
Haswell) echo "$out" | grep -q '^chosen avx2$' ;;
esac
