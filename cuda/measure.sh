#!/usr/bin/env bash
# cuda/measure.sh OUT_DIR [CMake options]: everything that wants a GPU, in eight minutes: builds for the machine's own
# architecture, runs the tests labelled gpu and compute-sanitizer's tools, measures and compares. Leaves logs and JSON in
# OUT_DIR as they come, and there in `summary` a line for each step, and the goals that were met and missed; fails if a
# step failed. Each step has its own limit, so one that hangs does not cost the rest. `-DCMAKE_CUDA_ARCHITECTURES=90` and
# other CMake options may follow; `-DSIGMAX_CUDA_NEWTON=ON` is worth a second run on sm_120 if the test cuda_reciprocal passes.
# SIGMAX_MEASURE_SECONDS is another limit for all. With SIGMAX_MEASURE_BUILT=1 nothing is built: build/cuda is there already.
#
# cuda/measure.sh --plan SIGMAX_BENCH: prints every case that it would time on the device, with bytes and goal. Needs none.
set -uo pipefail
plan=
if [[ ${1:-} == --plan ]]; then
  bench=${2:?usage: cuda/measure.sh --plan SIGMAX_BENCH} plan=yes failed=0
else
  out=${1:?usage: cuda/measure.sh OUT_DIR [CMake options]}
  shift
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
  bench=build/cuda/bench/sigmax-bench
  end=$((SECONDS + ${SIGMAX_MEASURE_SECONDS:-480}))
  : >"$out/summary"
fi

say() { echo "$*" | tee -a "$out/summary"; }

# step NAME MOST_SECONDS COMMAND...: the log is OUT_DIR/NAME.log. What does not end at its limit is killed.
step() {
  local name=$1 most=$2 start=$SECONDS status=0
  shift 2
  ((most > end - SECONDS)) && most=$((end - SECONDS))
  if ((most < 5)); then
    say "$name: no time left"
    return
  fi
  timeout --kill-after=3 "$most" "$@" >"$out/$name.log" 2>&1 || status=$?
  say "$name: status $status, $((SECONDS - start)) s"
}

# time_cases NAME MOST_SECONDS WORDS...: on the device, beside all that can be compared with there.
time_cases() {
  local name=$1 most=$2
  shift 2
  if [[ $plan ]]; then
    "$bench" cuda "$@" --plan || failed=1
    return
  fi
  step "$name" "$most" "$bench" cuda "$@" --min-time 0.02 --vs all --json "$out/$name.json"
  grep -h '^goals:\|^  missed:' "$out/$name.log" 2>/dev/null | tee -a "$out/summary"
}

# rows_of BYTES_OF_AN_ELEMENT COLUMNS...: shapes that read and write 256 MiB.
rows_of() {
  local size=$1 shapes='' n
  shift
  for n in "$@"; do
    shapes+=${shapes:+,}$(((1 << 27) / (size * n)))x$n
  done
  echo "$shapes"
}

widths='16 32 64 128 256 512 1024 2048 4096 8192 16384 32768 65536 131072 262144 524288 1048576'
odd='77 255 1023 4097 32001 131071'
decode=1x131072,64x32768,64x131072

if [[ ! $plan ]]; then
  architecture=-DCMAKE_CUDA_ARCHITECTURES=native
  [[ " $* " == *CMAKE_CUDA_ARCHITECTURES* ]] && architecture=
  command -v nvidia-smi >/dev/null && step device 20 nvidia-smi -q
  if [[ ! ${SIGMAX_MEASURE_BUILT:-} ]]; then
    [[ -d .deps/usr ]] || step deps 90 ./cmake/deps.sh
    step configure 60 cmake --preset cuda $architecture "$@"
    step build 270 cmake --build build/cuda --target sigmax_cuda_tests sigmax-bench -- -k 0
  fi
  # shellcheck disable=SC2016
  step info 20 sh -c '"$1" info --output json >"$2"' sh "$bench" "$out/info.json"

  tests=build/cuda/tests/sigmax_cuda_tests
  step first-test 20 $tests --gtest_filter='cuda_memory.managed*'
  if grep -q '^first-test: status 77' "$out/summary"; then
    say "no test can run: $(tail -n 1 "$out/first-test.log")"
    exit 1
  fi

  # None of these is timed: all at once.
  step tests 120 ctest --test-dir build/cuda -L gpu -j "$(nproc)" --output-on-failure --output-junit "$out/tests.xml" &
  # Races and barriers are those of shared memory, which rows alone use, and slow to find.
  shared=cuda_softmax.long_rows*:cuda_softmax.gradients:cuda_softmax.gates:cuda_softmax_form.cross*:cuda_quantised.any*:cuda_softmax_quantised.any*
  memory=$shared:cuda_softmax.a_row_has*:cuda_layout.any*:cuda_layout.slices*:cuda_stream.*:*sizes_and_alignments/gelu:*strided_and_mixed/gelu:cuda_gate_layout.any*:cuda_gate_layout.slices*:cuda_quantised.slices*:*layouts/swiglu
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
      case $tool in
        racecheck) some=$shared:cuda_stream.dependent_launches_of_rows ;;
        synccheck) some=$shared:cuda_softmax.a_row_has* ;;
        *) some=$memory ;;
      esac
      # Tests fetch whole tensors, gaps and all, which nobody has written.
      [[ $tool == initcheck ]] && gaps='--check-api-memory-access no' || gaps=
      # shellcheck disable=SC2086 # words
      step $tool 100 compute-sanitizer --tool $tool $gaps --error-exitcode 9 $tests "--gtest_filter=$some" &
    done
  else
    say 'compute-sanitizer: not found'
  fi
  wait
fi

# What matters most comes first, should time run out. Sizes: 512 KB, then 256 MB and 1 GB of traffic.
time_cases gates 20 --op gates --dtype bf16 --shape 16x14336,4096x14336,12288x14336
# shellcheck disable=SC2086 # the widths are words
time_cases softmax-bf16 30 --op softmax,log_softmax --dtype bf16 --shape "$(rows_of 2 $widths)"
# shellcheck disable=SC2086
time_cases softmax-f32 30 --op softmax,log_softmax --dtype f32 --shape "$(rows_of 4 $widths),$decode,4x1048576"
time_cases elementwise-f32 30 --op all --dtype f32 --size 64Ki,32Mi,128Mi
time_cases elementwise-bf16 30 --op all --dtype bf16 --size 64Ki,64Mi,256Mi
time_cases causal 20 --op softmax+scale+causal --dtype bf16 --shape 32x2048x2048,8x4096x4096,2x8192x8192
# shellcheck disable=SC2086
time_cases softmax-odd 15 --op softmax --dtype bf16 --shape "$(rows_of 2 $odd)"
time_cases misaligned 15 --op gelu,silu,relu,swiglu --dtype f32,bf16 --size 64Mi --misaligned
# shellcheck disable=SC2086
time_cases softmax-misaligned 10 --op softmax --dtype bf16 --shape "$(rows_of 2 512 4096 65536)" --misaligned
time_cases gates-gradient 20 --op gates:gradient,swiglu:fast,geglu_tanh:fast --dtype bf16 --shape 4096x14336
time_cases gates-separate 10 --op gates --dtype f32,bf16 --size 64Mi
time_cases gradients 25 --op all:gradient --dtype bf16 --size 64Mi
time_cases softmax-gradient 15 --op softmax:gradient,log_softmax:gradient --dtype bf16 --shape "$(rows_of 2 256 4096 32768)"
time_cases fast 20 --op all:fast --dtype f32 --size 32Mi
time_cases elementwise-f16 20 --op all --dtype f16 --size 64Mi
if [[ $plan ]]; then exit "$failed"; fi

# Host tensors there and back against the CPU, and what `automatic` estimates with.
step host 30 "$bench" run --op gelu,relu,softmax --size 64Ki,1Mi,64Mi --backend cpu,cuda --threads all --repetitions 3 \
  --min-time 0.01 --quiet --out "$out/host.json"
step calibrate 45 "$bench" run --calibrate --quiet --out "$out/calibration.json"

if python3 -c 'import torch' 2>/dev/null; then
  pytorch=(python3 bench/pytorch.py "$bench" --device cuda --compile --min-time 0.02)
  # shellcheck disable=SC2086
  step pytorch-softmax 90 "${pytorch[@]}" --op softmax --dtype bf16 --shape "$(rows_of 2 $widths),$decode" \
    --out "$out/pytorch-softmax.json"
  step pytorch-elementwise 60 "${pytorch[@]}" --op relu,silu,gelu,gelu_tanh,tanh,mish --dtype f32,bf16 --size 64Mi \
    --out "$out/pytorch-elementwise.json"
  step pytorch-gates 40 "${pytorch[@]}" --op swiglu,geglu,geglu_tanh --dtype bf16 --shape 16x14336,4096x14336 \
    --out "$out/pytorch-gates.json"
  step pytorch-causal 40 "${pytorch[@]}" --op softmax+causal --dtype bf16 --shape 32x2048x2048,8x4096x4096 \
    --out "$out/pytorch-causal.json"
else
  say 'pytorch: not installed'
fi
! grep -q "status [1-9]\|no time left" "$out/summary"
