#!/bin/sh
# gate.sh BASE_REF [options of 'sigmax-bench gate']: is the working tree slower than BASE_REF? Builds both as released
# (or with the preset that SIGMAX_PRESET names) and lets the gate judge; its exit code is the gate's. A shell job of a CI
# needs no more than this.
set -eu
cd "$(dirname "$0")/.."
case ${1:--} in -*)
  echo "usage: bench/gate.sh BASE_REF [options of 'sigmax-bench gate']" >&2
  exit 2 ;;
esac
ref=$1 preset=${SIGMAX_PRESET:-release}
shift
folder=$(mktemp -d)
trap 'git worktree remove --force "$folder/sigmax" 2>/dev/null || :; rm -rf "$folder"' EXIT
git worktree add --quiet --detach "$folder/sigmax" "$ref" || exit 2
[ ! -d .deps ] || ln -s "$PWD/.deps" "$folder/sigmax/.deps"
for tree in "$folder/sigmax" "$PWD"; do
  (cd "$tree" && cmake --preset "$preset" && cmake --build --preset "$preset" --target sigmax-bench) >&2 || exit 2
done
"build/$preset/bench/sigmax-bench" gate --base "$folder/sigmax/build/$preset" --candidate "build/$preset" "$@"
