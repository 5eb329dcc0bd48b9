#!/bin/sh
# fit.sh SOLLYA ROOT: every coefficient that the scripts in kernels/fit print stands in the header that they name.
set -eu
sollya=$1 root=$2
[ -x "$sollya" ] || { echo "skipped: no sollya; cmake/deps.sh --fit brings it"; exit 77; }
# One that was unpacked into .deps has its libraries there as well.
LD_LIBRARY_PATH=${sollya%/bin/*}/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

missing=0
for script in "$root"/kernels/fit/*.sollya; do
  out=$("$sollya" "$script" </dev/null 2>&1) || { echo "$out"; exit 1; }
  echo "$out"
  case $out in *Warning:* | *Error:*) exit 1 ;; esac
  header= found=0
  for word in $out; do
    case $word in
      kernels/*.hpp:) header=$root/${word%:} ;;
      0x* | -0x*)
        # As a whole number: no sign before a positive one, the suffix f after it.
        literal=$(printf '%s' "$word" | sed 's/[.+]/\\&/g')
        if grep -qE -e "(^|[^-0-9A-Za-z.])${literal}f([^0-9A-Za-z]|$)" "$header"; then
          found=$((found + 1))
        else
          echo "$script: ${header#"$root/"} has no $word" && missing=$((missing + 1))
        fi ;;
    esac
  done
  [ "$found" -gt 0 ] || { echo "$script: printed no coefficient that was found" && missing=$((missing + 1)); }
done
[ "$missing" -eq 0 ]
