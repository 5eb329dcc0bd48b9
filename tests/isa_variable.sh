#!/bin/sh
# isa_variable.sh CASE SMOKE: SIGMAX_ISA forces a row by name, and an unknown name is an error, not a fallback.
set -eu
unset SIGMAX_ISA SIGMAX_BACKEND || true
best=$("$2" | sed -n 's/^chosen //p')
lowest=$("$2" | sed -n 's/^row \([a-z0-9]*\) .*/\1/p' | tail -n 1)
case $1 in
unset) [ -n "$best" ] ;;
empty) [ "$(SIGMAX_ISA='' SIGMAX_BACKEND='' "$2" | sed -n 's/^chosen //p')" = "$best" ] ;;
best) [ "$(SIGMAX_ISA=$best "$2" | sed -n 's/^chosen //p')" = "$best" ] ;;
lowest) [ "$(SIGMAX_ISA=$lowest "$2" | sed -n 's/^chosen //p')" = "$lowest" ] ;;
unknown) SIGMAX_ISA=mmx "$2" | grep -q 'unavailable: SIGMAX_ISA.*mmx' ;;
words) SIGMAX_ISA=mmx "$2" | grep -q 'then: .*shape' ;;
esac
