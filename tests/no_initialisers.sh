#!/bin/sh
# no_initialisers.sh STATIC SHARED: nothing of the library runs before main, at load or at exit: no object of it has an
# initialiser or a destructor to register. The shared library has the compiler's own frame_dummy, one pointer. nvcc makes
# an initialiser of each .cu file, which tells the CUDA runtime of its kernels and touches no device.
set -eu
static=$1 shared=$2
[ -s "$static" ] && [ -s "$shared" ] || { echo "no such libraries"; exit 1; }
if objdump -h "$static" | awk '
    /file format/ {object = $1}
    object !~ /[.]cu[.]o:?$/ && $2 ~ /^[.](init_array|fini_array|ctors|dtors)/ {print object, $2}' | grep .; then
  echo "$static: these objects run code when they are loaded"
  exit 1
fi
if nm -A "$static" | grep -v '[.]cu[.]o:' | grep -E '__cxa_atexit|_GLOBAL__sub_I'; then
  echo "$static: registers destructors, or constructs statics"
  exit 1
fi
if nm "$static" | grep -q RegisterFatBinary; then
  echo "$shared: has the CUDA runtime, which is not looked at"
  exit 0
fi
objdump -h "$shared" | awk '
    $2 ~ /^[.](init_array|fini_array)$/ {print $2, $3; if ($3 != "00000008") bad = 1}
    END {exit bad}' || { echo "$shared: more than frame_dummy runs when it is loaded"; exit 1; }
