#!/bin/sh
# no_initialisers.sh LIBRARY...: nothing of the library runs before main, at load or at exit: no object of it has an
# initialiser or a destructor to register. (A shared library has the compiler's own two, from crtbeginS.o.)
set -eu
for library in "$@"; do
  case $library in
    *.a)
      if objdump -h "$library" | awk '/file format/ {object = $1} $2 ~ /^\.(init_array|fini_array|ctors|dtors)/ {print object, $2}' | grep .; then
        echo "$library: these objects run code when they are loaded"
        exit 1
      fi
      if nm "$library" | grep -E '__cxa_atexit|_GLOBAL__sub_I'; then
        echo "$library: registers destructors, or has constructors of statics"
        exit 1
      fi ;;
    *)
      sizes=$(objdump -h "$library" | awk '$2 ~ /^\.(init_array|fini_array)$/ {print $2, $3}')
      echo "$library: $(echo $sizes)"
      if echo "$sizes" | awk '$2 != "00000008" {bad = 1} END {exit !bad}'; then
        echo "$library: more than the compiler's own frame_dummy runs when it is loaded"
        exit 1
      fi ;;
  esac
done
