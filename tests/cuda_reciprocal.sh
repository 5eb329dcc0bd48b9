#!/usr/bin/env bash
# cuda_reciprocal.sh NVCC: 1 / d, which rcp.rn rounds correctly by its definition, is what `reciprocal_by_newton` of
# kernels/value.hpp does, on every architecture that uses it: the hardware's estimate and Newton's step, and for d in
# [1, 32) nothing else. Where ptxas makes something else of rcp.rn this fails, and nothing holds the short form any more.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
command -v python3 >/dev/null || { echo 'skipped: no python3'; exit 77; }
cat >"$scratch/r.cu" <<'CUDA'
#include "kernels/value.hpp"
extern "C" __global__ void by_definition(float* p) { *p = 1.0f / *p; }
extern "C" __global__ void by_newton(float* p) { *p = sigmax::reciprocal_by_newton(*p); }
CUDA
for architecture in 75 80 86 89 90 100 120; do
  "$1" -std=c++20 -O3 --fmad=false -cubin -arch=sm_$architecture "-I$here" "$scratch/r.cu" -o "$scratch/$architecture.cubin"
done
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/tests python3 - "$scratch"/*.cubin <<'PYTHON'
import pathlib
import sys

from cuda_budgets import CALL, EXIT
from cuda_code import kernels

MUFU, FADD, FFMA, FFMA_CONSTANT = 0x308, 0x221, 0x223, 0x423
bad = False
for file in map(pathlib.Path, sys.argv[1:]):
    for name, code in kernels(file.read_bytes()):
        operations = [word & 0xFFF for word in code]
        operations = operations[: operations.index(EXIT)]
        constants = [word >> 32 & 0xFFFFFFFF for word in code[: len(operations)]]
        if name == "by_newton":
            wanted = [MUFU, FFMA_CONSTANT, FFMA]
        else:  # FADD: the residual with the other sign; the constants: its exponent is neither near 0 nor infinity's
            wanted = [MUFU, FFMA_CONSTANT, FADD, FFMA]
            bad |= not {0x1800000, 0x7F800000, 0x1FFFFFF} <= set(constants) or operations.count(CALL) != 1
        found = [o for o in operations if o in (MUFU, FADD, FFMA, FFMA_CONSTANT)]
        bad |= found != wanted
        print(f"sm_{file.stem} {name}:", *map(hex, found))
sys.exit(bad)
PYTHON
