#!/usr/bin/env bash
# cuda_resources.sh NVCC LIST BUDGETS [--write]: what the kernels of cuda/ need on sm_90, from ptxas and their code.
# Fails on any spill, on more registers than LIST allows a table, for the compiler that made LIST on a kernel with 5 %
# more instructions than there, and on more instructions an element than BUDGETS allows (cuda_budgets.py, which needs
# Python). --write prints a new LIST and the counts of BUDGETS.
set -euo pipefail
nvcc=$1 list=$2 budgets=$3
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
command -v objdump >/dev/null || { echo 'skipped: no objdump'; exit 77; }
version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')

# measure TABLE TYPE [FILE]: a line "table form op registers spilled instructions" for each kernel
measure() {
  local file=${3:-kernels} name=$1
  [[ $file == kernels ]] || name=${file}_$1
  "$nvcc" -std=c++20 -O3 --fmad=false -cubin -arch=sm_90 -Xptxas -v "-I$here/kernels/include" \
    "-DSIGMAX_CUDA_TABLE=$1" "-DSIGMAX_CUDA_ELEMENT=$2" "$here/cuda/$file.cu" \
    -o "$scratch/$name.cubin" 2>"$scratch/$name.log"
  objdump -h "$scratch/$name.cubin" 2>/dev/null | awk '$2 ~ /^[.]text[.]/ {sub("^[.]text[.]", "", $2); print $2, $3}' |
    while read -r name size; do echo "$name $((16#$size / 16))"; done >"$scratch/$name.sizes"
  awk -v table="$name" '
    FNR == NR {size[$1] = $2; next}
    /Function properties for/ {name = $NF}
    /bytes stack frame/ {split($0, w, " "); spilled[name] = w[1] + w[5] + w[9]}
    /Used [0-9]+ registers/ {match($0, /Used [0-9]+/); registers[name] = substr($0, RSTART + 5, RLENGTH - 5)}
    END {
      for (name in registers) {
        form = name ~ /gradient/ ? "gradient" : name ~ /accuracyE1/ ? "fast" : "forward"
        op = name; sub(/_(op|gate)E.*/, "", op); sub(/.*I[A-Z0-9_]*[^0-9a-z_][0-9]+_?[0-9]*/, "", op)
        print table, form, op, registers[name], spilled[name], size[name]
      }
    }' "$scratch/$name.sizes" "$scratch/$name.log"
}

# The kernels for rows: "file form kernel registers spilled instructions".
measure_rows() {
  "$nvcc" -std=c++20 -O3 --fmad=false -cubin -arch=sm_90 -Xptxas -v "-I$here/kernels/include" "$here/cuda/$1.cu" \
    -o "$scratch/$1.cubin" 2>"$scratch/$1.log"
  objdump -h "$scratch/$1.cubin" 2>/dev/null | awk '$2 ~ /^[.]text[.]/ {sub("^[.]text[.]", "", $2); print $2, $3}' |
    while read -r name size; do echo "$name $((16#$size / 16))"; done >"$scratch/$1.sizes"
  awk -v table="$1" '
    FNR == NR {size[$1] = $2; next}
    /Function properties for/ {name = $NF}
    /bytes stack frame/ {split($0, w, " "); spilled[name] = w[1] + w[5] + w[9]}
    /Used [0-9]+ registers/ {match($0, /Used [0-9]+/); registers[name] = substr($0, RSTART + 5, RLENGTH - 5)}
    END {
      for (name in registers) {
        match(name, /softmax_(gradient_)?(long_rows|rows|columns|staged)|gate_rows/); kernel = substr(name, RSTART, RLENGTH)
        if (kernel ~ /staged/) kernel = kernel (name ~ /bfloat16E/ ? "_bf16" : name ~ /float16E/ ? "_f16" : "_f32")
        if (match(name, /Li[0-9]+E/)) kernel = kernel "_" substr(name, RSTART + 2, RLENGTH - 3)
        print table, name ~ /Lb1E/ ? "fused" : "plain", kernel, registers[name], spilled[name], size[name]
      }
    }' "$scratch/$1.sizes" "$scratch/$1.log"
}
{ measure f32 float & measure f16 float16; wait; measure bf16 bfloat16 & measure strided void; wait
  measure f32 float gates & measure 16_bits std::uint16_t gates; wait; measure strided void gates
  measure 8_bits void quantised
  measure_rows softmax & measure_rows softmax_quantised; measure_rows softmax_gradient; measure_rows gating; wait; } | sort >"$scratch/found"

if [[ ${4:-} == --write ]]; then
  grep '^#\|^limit' "$list" || true
  echo "nvcc $version"
  awk '{print $1, $2, $3, $4, $6}' "$scratch/found"
  python3 "$here/tests/cuda_budgets.py" "$budgets" --write "$scratch"/*.cubin | sort
  exit
fi
status=0
if command -v python3 >/dev/null; then
  python3 "$here/tests/cuda_budgets.py" "$budgets" "$scratch"/*.cubin || status=1
else
  echo 'instructions an element not counted: no python3'
fi
awk -v version="$version" '
  FNR == NR {
    if ($1 == "limit") limit[$2] = $3
    else if ($1 == "nvcc") same = $2 == version
    else expected[$1 " " $2 " " $3] = $5
    next
  }
  {
    kernel = $1 " " $2 " " $3; ++kernels
    if ($5 > 0) {print kernel ": spills " $5 " bytes"; bad = 1}
    if ($4 > limit[$1]) {print kernel ": " $4 " registers, more than " limit[$1]; bad = 1}
    if (!(kernel in expected)) {print kernel ": not in the list"; bad = 1}
    else if (same && $6 > 1.05 * expected[kernel]) {
      print kernel ": " $6 " instructions, the list has " expected[kernel]; bad = 1
    }
  }
  END {print kernels " kernels for sm_90, nvcc " version (same ? "" : ", instructions not compared"); exit bad || !kernels}
' "$list" "$scratch/found" || status=1
exit $status
