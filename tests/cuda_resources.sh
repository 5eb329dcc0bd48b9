#!/usr/bin/env bash
# cuda_resources.sh NVCC LIST BUDGETS [--write] [NAME=OBJECT...]: what the kernels of cuda/ need on sm_90, from their code
# (cuda_code.py), which is the build's where its objects are given and have it, else compiled here.
# Fails on any spill, on more registers than LIST allows a table, for the compiler that made LIST on a kernel with 5 %
# more instructions than there, and on more instructions an element than BUDGETS allows (cuda_budgets.py). --write prints
# a new LIST and the counts of BUDGETS.
set -euo pipefail
nvcc=$1 list=$2 budgets=$3 write=no
declare -A objects
for argument in "${@:4}"; do
  if [[ $argument == --write ]]; then write=yes; else objects[${argument%%=*}]=${argument#*=}; fi
done
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')

# code NAME FILE DEFINITIONS...: NAME.cubin, and in NAME.kernels what is in it. An object that cannot be read is said.
code() {
  local name=$1 file=$2 object=${objects[${1%_8_bits}]:-}
  if [[ $object ]]; then
    python3 "$here/tests/cuda_code.py" "$object" "$scratch/$name.cubin" >"$scratch/$name.kernels" 2>"$scratch/reason" && return
    echo "$name is compiled, as the build's cannot be read: $(tail -n 1 "$scratch/reason")" >&2
  fi
  "$nvcc" -std=c++20 -O3 --fmad=false -cubin -arch=sm_90 "-I$here/kernels/include" "${@:3}" "$here/cuda/$file.cu" \
    -o "$scratch/$name.compiled"
  python3 "$here/tests/cuda_code.py" "$scratch/$name.compiled" "$scratch/$name.cubin" >"$scratch/$name.kernels"
}

# measure TABLE TYPE [FILE]: a line "table form op registers stack instructions" for each kernel
measure() {
  local file=${3:-kernels} name=$1
  [[ $file == kernels ]] || name=${file}_$1
  code "$name" "$file" "-DSIGMAX_CUDA_TABLE=$1" "-DSIGMAX_CUDA_ELEMENT=$2"
  awk -v table="$name" '{
    form = $1 ~ /gradient/ ? "gradient" : $1 ~ /accuracyE1/ ? "fast" : "forward"
    op = $1; sub(/_(op|gate)E.*/, "", op); sub(/.*I[A-Z0-9_]*[^0-9a-z_][0-9]+_?[0-9]*/, "", op)
    print table, form, op, $2, $3, $4
  }' "$scratch/$name.kernels"
}

# measure_rows TABLE FILE DEFINITIONS...: "table form kernel registers stack instructions" for each kernel for rows
measure_rows() {
  code "$@"
  awk -v table="$1" '{
    match($1, /softmax_(gradient_)?(long_rows|rows|columns|staged)|gate_rows/); kernel = substr($1, RSTART, RLENGTH)
    if (match($1, /Li[0-9]+E/)) kernel = kernel "_" substr($1, RSTART + 2, RLENGTH - 3)
    print table, $1 ~ /Lb1E/ ? "fused" : "plain", kernel, $2, $3, $4
  }' "$scratch/$1.kernels"
}
for table in f32\ float f16\ float16 bf16\ bfloat16 strided\ void 'f32 float gates' '16_bits std::uint16_t gates' \
  'strided void gates' '8_bits void quantised'; do
  # shellcheck disable=SC2086  # words
  measure $table
done >"$scratch/unsorted"
{
  for file in softmax softmax_quantised softmax_gradient gating; do measure_rows $file $file; done
  for type in f32=float f16=float16 bf16=bfloat16; do
    measure_rows "softmax_staged_${type%=*}" softmax_staged "-DSIGMAX_CUDA_TABLE=${type%=*}" "-DSIGMAX_CUDA_ELEMENT=${type#*=}"
  done
} >>"$scratch/unsorted"
sort "$scratch/unsorted" >"$scratch/found"

if [[ $write == yes ]]; then
  grep '^#\|^limit' "$list" || true
  echo "nvcc $version"
  awk '{print $1, $2, $3, $4, $6}' "$scratch/found"
  python3 "$here/tests/cuda_budgets.py" "$budgets" --write "$scratch"/*.cubin | sort
  exit
fi
status=0
python3 "$here/tests/cuda_budgets.py" "$budgets" "$scratch"/*.cubin || status=1
awk -v version="$version" '
  FNR == NR {
    if ($1 == "limit") limit[$2] = $3
    else if ($1 == "nvcc") same = $2 == version
    else expected[$1 " " $2 " " $3] = $5
    next
  }
  {
    kernel = $1 " " $2 " " $3; ++kernels
    if ($5 > 0) {print kernel ": spills, or has a stack, of " $5 " bytes"; bad = 1}
    if ($4 > limit[$1]) {print kernel ": " $4 " registers, more than " limit[$1]; bad = 1}
    if (!(kernel in expected)) {print kernel ": not in the list"; bad = 1}
    else if (same && $6 > 1.05 * expected[kernel]) {
      print kernel ": " $6 " instructions, the list has " expected[kernel]; bad = 1
    }
  }
  END {print kernels " kernels for sm_90, nvcc " version (same ? "" : ", instructions not compared"); exit bad || !kernels}
' "$list" "$scratch/found" || status=1
exit $status
