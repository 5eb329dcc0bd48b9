#!/bin/sh
# cli.sh BENCH: what sigmax-bench does with its words, files and exit codes. Measures next to nothing.
set -u
bench=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
export SIGMAX_GNUPLOT=  # set per check
export SIGMAX_CALIBRATION="$work/none.json"  # not this user's

# is STATUS COMMAND...: and where the status is 2, stderr is one line that begins with the program's name.
is() {
  want=$1
  shift
  "$@" >"$work/out" 2>"$work/err"
  got=$?
  if [ "$got" -ne "$want" ]; then
    echo "status $got, not $want: $*"
    tail -n 5 "$work/out" "$work/err"
    failed=$((failed + 1))
  elif [ "$want" -eq 2 ] && ! { [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q '^sigmax-bench: ' "$work/err"; }; then
    echo "not one line: $*"
    cat "$work/err"
    failed=$((failed + 1))
  fi
}
# says TEXT: in the output of the command before.
says() {
  grep -qF -e "$1" "$work/out" || { echo "not in the output: $1"; head -n 20 "$work/out"; failed=$((failed + 1)); }
}

# complains TEXT: the same of its complaint.
complains() {
  grep -qF -e "$1" "$work/err" || { echo "not on stderr: $1"; cat "$work/err"; failed=$((failed + 1)); }
}

# --- bad input ---
echo '{"context": {}, "benchmarks": [' >"$work/cut.json"
head -c 2000 /dev/urandom >"$work/noise.json"
for file in /nonexistent "$work" "$work/cut.json" "$work/noise.json"; do
  is 2 "$bench" compare "$file" "$file"
  is 2 "$bench" report "$file" --out "$work/r.html"
  is 2 "$bench" plot sweep "$file"
  is 2 "$bench" convert "$file" --to bencher
  is 2 "$bench" gate --baseline "$file" --candidate "$bench"
  is 2 "$bench" run --batch "$file.txt"
done
is 2 "$bench"
is 2 "$bench" nonsense
complains "'nonsense'"
is 2 "$bench" compare
complains 'compare: no files given'
echo '{"benchmarks": []}' >"$work/bare.json"
is 2 "$bench" compare "$work/bare.json"
complains "bare.json' is not a result of 'run': it has no 'context'"
is 2 "$bench" run --op gelu+causal --size 1Ki
is 2 "$bench" run --op swiglu+scale --size 1Ki
for time in nan inf; do
  is 2 "$bench" run --op relu --size 1Ki --min-time "$time"
  is 2 "$bench" run --op relu --size 1Ki "--benchmark_min_time=$time"
  is 2 "$bench" roofs --min-time "$time"
done
is 2 "$bench" gate --base "$bench" --threshold nan
is 2 "$bench" gate --base "$bench" --blocks 5
is 2 "$bench" run --op relu --size 1Ki --benchmark_repetitions=0
is 0 "$bench" run --op relu --size 1Ki --min-time 0.0001 --benchmark_report_aggregates_only=true --output csv
says 'relu,f32'
if [ -c /dev/full ]; then
  ln -s /dev/full "$work/full.md"
  is 70 "$bench" gate --base "$bench" --op relu --size 1Ki --blocks 6 --max-blocks 6 --threshold 10 --force --out "$work/full.md"
fi
is 2 "$bench" run --op top_k_gating --shape 4x2000
complains 'at most 1024 experts, not 2000'
is 2 "$bench" run --calibrate --op relu
complains '--calibrate takes no --op'
is 2 "$bench" run --calibrate --benchmark_filter=relu
is 2 "$bench" accuracy --op relu --exhaustive --stride 7
is 2 "$bench" plot functions --op gelu
complains "--op is an option of 'plot error'"
is 2 "$bench" run --op top_k_gating+scale --shape 4x4
complains 'takes no options'
is 2 "$bench" run --size 1Mi:1Ki
is 2 "$bench" run --size 1Ki:1Mi*1
is 2 "$bench" run --cache warm
is 2 "$bench" run --op relu --size 1Ki --cpus 9-1
is 2 "$bench" run --op relu --size 1Ki --cpus 1000
is 2 "$bench" run --op relu --size 1Ki --out /nonexistent/x.json
is 2 "$bench" roofs --output xml
is 2 "$bench" plot pie
is 2 "$bench" gate
is 2 "$bench" gate --base /nonexistent --candidate "$bench"
is 2 "$bench" gate --base "$work/noise.json" --candidate "$bench"
is 2 "$bench" gate --base "$bench" --candidate "$bench" --out x.txt
is 2 "$bench" gate --base "$bench" --candidate "$bench" --op relu --size 1Ki --cache cold
is 2 "$bench" gate --base /bin/true --candidate "$bench" --op relu --size 1Ki
is 77 "$bench" gate --base "$bench" --candidate "$bench" --backend cuda
is 77 "$bench" run --op relu --size 1Ki --backend cuda
is 77 "$bench" cuda --op relu --size 1Ki
is 2 "$bench" cuda --op relu --shape 4x4
is 2 "$bench" cuda --op softmax+mask --shape 4x4
is 2 "$bench" cuda --op logsumexp --shape 4x4
is 2 "$bench" cuda --op relu --size 1Ki --vs oneapi --plan
is 2 "$bench" cuda --op relu --size 1Ki --min-time -1 --plan
# Names, bytes and goals of cases need no device: 8 bytes an element, packed gates 6, their gradients 10.
is 0 "$bench" cuda --op gelu,softmax --size 128Mi --shape 32768x1023,32768x1024,1x131072,64x64 --plan
says 'gelu/f32/128Mi/cuda/1t 1073741824 0.97'
says 'softmax/f32/32768x1024/cuda/1t 268435456 0.97'
says 'softmax/f32/32768x1023/cuda/1t 268173312 0.9'
says 'softmax/f32/1x131072/cuda/1t 1048576 4 us'
says 'softmax/f32/64x64/cuda/1t 32768 -'
is 0 "$bench" cuda --op swiglu,swiglu:gradient --dtype bf16 --shape 12288x14336 --misaligned --plan
says 'swiglu/bf16/12288x14336/cuda/1t/misaligned 1056964608 0.9'
says 'swiglu:gradient/bf16/12288x14336/cuda/1t/misaligned 1761607680 -'
is 2 "$bench" gate --self-test --out "$work/s.xml"
is 2 "$bench" gate --self-test --resume "$work/cut.json"
is 2 "$bench" gate --resume "$work/cut.json" --base "$bench"

# --- stored figures for estimates ---
is 0 "$bench" info --output json
id=$(sed -n 's/.*"machine_id": *"\([^"]*\)".*/\1/p' "$work/out" | head -n 1)
figures() {
  echo "{\"machine\": {\"machine_id\": \"$1\"}, \"calibration\": {\"cpu_ns_per_element\": {\"relu\": $2}, \"host_bytes_per_second\": 4e10,
    \"host_bytes_per_second_at_most\": 4e10, \"bytes_per_second_to_device\": 5e10, \"bytes_per_second_from_device\": 5e10,
    \"device_bytes_per_second\": 4e12, \"launch_ns\": 1e4}}" >"$work/figures.json"
}
figures "$id" 0.1
is 0 "$bench" explain --op relu --size 1Mi --calibration "$work/figures.json"
says '209.7 us on the CPU'
is 0 env SIGMAX_CALIBRATION="$work/figures.json" "$bench" explain --op relu --size 1Mi
says 'us on CUDA'
figures "$id" -1
is 2 "$bench" explain --op relu --size 1Mi --calibration "$work/figures.json"
figures elsewhere 0.1
is 2 "$bench" explain --op relu --size 1Mi --calibration "$work/figures.json"
for file in /nonexistent "$work/cut.json" "$work/noise.json"; do
  is 2 "$bench" explain --op relu --size 1Mi --calibration "$file"
done
is 2 "$bench" run --calibrate --out /nonexistent/figures.json
is 0 "$bench" explain --op swiglu:fast --shape 64x1024 --dtype bf16
says 'swiglu:fast bf16 64x1024'
is 2 "$bench" explain --op gelu:gradient --size 1Ki
is 2 "$bench" explain --op softmax+scale --shape 4x4
complains "'softmax+scale'"

# --- from a measurement to every form of it ---
cat >"$work/cases.txt" <<'END'
# two requests
--op relu,silu --size 1Ki:4Ki*2 --isa all

--op softmax --shape 4x64,8x64,4x128,8x128 --cache hot,cold
END
is 0 "$bench" run --batch "$work/cases.txt" --benchmark_list_tests
says relu/f32/2Ki
says /cold
is 0 "$bench" run --batch "$work/cases.txt" --min-time 0.0001 --repetitions 3 --quiet --out "$work/a.json"
[ ! -s "$work/err" ] || ! grep -qv '^sigmax-bench: the repetitions' "$work/err" || { echo 'not silent'; failed=$((failed + 1)); }
repro=$(sed -n 's/.*"repro": "sigmax-bench \(run .*cold\)".*/\1/p' "$work/a.json" | head -n 1)
# shellcheck disable=SC2086  # words
is 0 "$bench" $repro --benchmark_list_tests
says /cold
cp "$work/a.json" "$work/b.json"
for form in md csv json html; do is 0 "$bench" compare "$work/a.json" "$work/b.json" --out "$work/c.$form"; done
is 0 "$bench" compare "$work/a.json" --by library --reference naive
says 'geometric mean'
is 2 "$bench" compare "$work/a.json" --by backend
for form in google-benchmark github-action-benchmark bencher; do is 0 "$bench" convert "$work/a.json" --to "$form"; done
for form in csv json gnuplot; do
  is 0 "$bench" plot functions --filter leaky --format "$form"
  is 0 "$bench" plot sweep "$work/a.json" --format "$form"
  is 0 "$bench" plot heat "$work/a.json" --format "$form"
  is 0 "$bench" plot compare "$work/a.json" "$work/b.json" --format "$form"
done
is 0 "$bench" plot error --op relu --format csv
is 0 "$bench" report "$work/a.json" "$work/b.json" --out "$work/report.html"
SIGMAX_GNUPLOT=/nonexistent is 2 "$bench" plot functions --filter relu6
SIGMAX_GNUPLOT=/nonexistent is 0 "$bench" report "$work/a.json" --out "$work/report.html"
if gnuplot --version >/dev/null 2>&1; then
  is 0 "$bench" plot functions --filter leaky --out "$work/figures"
  grep -q '<style>svg{color' "$work/figures/leaky_relu.svg" || { echo 'no theme in the SVG'; failed=$((failed + 1)); }
  is 0 "$bench" report "$work/a.json" "$work/b.json" --gallery --out "$work/report.html"
  grep -q '<svg' "$work/report.html" || { echo 'no figure in the report'; failed=$((failed + 1)); }
fi

# --- the gate's verdicts, on programs that answer with what they are told ---
# --force, but where the environment is the point: the machine that runs this test may well be unfit.
fake() { # NAME sed-expression
  sed "$2" "$here/fake_bench.sh" >"$work/$1"
  chmod +x "$work/$1"
}
fake base ''
fake slower 's/time=100/time=110/'
fake faster 's/time=100/time=80/'
fake wrong 's/wrong=/wrong=yes/'
fake busy 's/steady=yes/steady=no/'
# Anything from 62 to 142, but not at random, which by chance may look decided.
fake jumpy 's/time=100/time=$(n=$(cat "$0.n" 2>\/dev\/null || echo 0); echo $((n + 1)) >"$0.n"; echo $((62 + n * 37 % 81)))/'
gate() { status=$1 base=$2; shift 2; is "$status" "$bench" gate --base "$work/$base" "$@" --op relu,gelu --size 1Ki; }
gate 0 base --force --candidate "$work/base" --out "$work/g.json" --out "$work/g.xml" --out "$work/g.md"
says 'PASSED: 0 regressed, 0 improved, 2 same'
gate 1 base --force --candidate "$work/slower"
says '+10.0%'
says again
gate 3 base --force --candidate "$work/jumpy"
gate 0 base --force --candidate "$work/jumpy" --undecided pass
gate 0 base --force --candidate "$work/faster"
says '2 improved'
gate 5 base --candidate "$work/wrong"
gate 4 base --candidate "$work/busy"
gate 0 base --candidate "$work/busy" --force
is 0 "$bench" gate --baseline "$work/g.json" --candidate "$work/base" --force
is 1 "$bench" gate --baseline "$work/g.json" --candidate "$work/slower" --force
sed 's/"machine_id": "m"/"machine_id": "other"/' "$work/g.json" >"$work/other.json"
is 4 "$bench" gate --baseline "$work/other.json" --candidate "$work/base"
is 0 "$bench" gate --baseline "$work/other.json" --candidate "$work/base" --force
# the real program once; a threshold that no noise reaches
is 0 "$bench" gate --base "$bench" --op relu,softmax --size 1Ki --blocks 6 --max-blocks 6 --threshold 10 --force

# a self-test, cut off after its first gate and resumed; its verdict is the machine's
few() { "$bench" gate --self-test --trials 1 --slow-trials 1 --blocks 6 --max-blocks 6 --threshold 5 --force "$@"; }
few --out "$work/s.json" >"$work/out"
says 'found: '
sed 's/"slow_trials": 1/"slow_trials": 2/' "$work/s.json" >"$work/s2.json"
is 2 few --resume "$work/s2.json"
few --resume "$work/s.json" --output json >"$work/out"
says '"complete": true'

# --- help ---
for command in info list run accuracy compare gate plot report convert roofs explain; do is 0 "$bench" "$command" --help; done

[ "$failed" -eq 0 ] && echo 'all as it should be'
exit "$failed"
