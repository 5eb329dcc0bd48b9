#!/bin/sh
# needed.sh LIBRARY: it is loaded with the libraries of the compiler and of the C library alone.
set -eu
needed=$(objdump -p "$1" | awk '$1 == "NEEDED" {print $2}')
[ -n "$needed" ] || { echo "$1 needs nothing?"; exit 1; }
if echo "$needed" | grep -vE '^(lib(stdc[+][+]|c[+][+]|c[+][+]abi|gcc_s|m|c|dl|rt|pthread)[.]so|ld-linux)'; then
  echo "$1 needs these, too"
  exit 1
fi
echo $needed
