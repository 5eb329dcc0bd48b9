#!/usr/bin/env bash
# cuda/measure.sh OUT_DIR [CMake options]: everything that wants a GPU, in about eight minutes: builds for the machine's
# own architecture, runs the tests labelled gpu and three of compute-sanitizer's tools, measures. Leaves logs and JSON in
# OUT_DIR, and there in `summary` a line for each step; fails if one failed. `-DCMAKE_CUDA_ARCHITECTURES=90` and other
# CMake options may follow; `-DSIGMAX_CUDA_NEWTON=ON` is worth a second run on sm_120 if the test cuda_reciprocal passes.
set -uo pipefail
out=${1:?usage: cuda/measure.sh OUT_DIR [CMake options]}
shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
end=$((SECONDS + 480)) failed=0
: >"$out/summary"

# step NAME MOST_SECONDS COMMAND...: the log is OUT_DIR/NAME.log
step() {
  local name=$1 most=$2 start=$SECONDS status=0
  shift 2
  ((most > end - SECONDS)) && most=$((end - SECONDS))
  if ((most < 5)); then
    echo "$name: no time left" | tee -a "$out/summary"
    return
  fi
  timeout "$most" "$@" >"$out/$name.log" 2>&1 || status=$?
  ((status == 0)) || failed=1
  echo "$name: status $status, $((SECONDS - start)) s" | tee -a "$out/summary"
}

architecture=-DCMAKE_CUDA_ARCHITECTURES=native
[[ " $* " == *CMAKE_CUDA_ARCHITECTURES* ]] && architecture=
build=build/cuda
command -v nvidia-smi >/dev/null && step device 20 nvidia-smi -q
[[ -d .deps/usr ]] || step deps 120 ./cmake/deps.sh
step configure 60 cmake --preset cuda $architecture "$@"
step build 300 cmake --build $build --target sigmax_cuda_tests sigmax-bench
step info 20 $build/bench/sigmax-bench info --output json
step tests 150 ctest --test-dir $build -L gpu -j 4 --output-on-failure --output-junit "$out/tests.xml"
tests=$build/tests/sigmax_cuda_tests
short='--gtest_filter=cuda_layout.any*:cuda_layout.every_short*:cuda_layout.slices*:cuda_stream.*:*sizes_and_alignments/gelu:*strided_and_mixed/gelu:cuda_softmax.a_row_has*:cuda_softmax.gates:cuda_softmax_form.cross*:cuda_gate_layout.*:*layouts/swiglu'
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    step $tool 60 compute-sanitizer --tool $tool --error-exitcode 9 $tests "$short"
  done
else
  echo 'compute-sanitizer: not found' | tee -a "$out/summary"
fi
step bench-gates 40 $build/bench/sigmax-bench cuda --op gates,gates:fast --dtype bf16 --size 256Ki,16Mi,256Mi --json "$out/gates.json"
step bench 120 $build/bench/sigmax-bench cuda --op all --dtype f32,bf16 --size 256Ki,16Mi,256Mi --json "$out/bench.json"
exit $failed
