#!/usr/bin/env python3
"""PyTorch beside sigmax: `python3 bench/pytorch.py build/release/bench/sigmax-bench --op silu,gelu --size 64Ki`.

Runs `sigmax-bench run` with the given arguments and PyTorch's function of every row, in turns, and prints the medians.
`--out` gets the JSON of `run`, with the fields of a peer named pytorch. Needs torch (CPU is enough) and numpy.
"""

import argparse
import json
import statistics
import subprocess
import sys

import numpy as np
import torch
from torch.utils.benchmark import Timer

aten, f64 = torch.ops.aten, torch.float64
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def composed(function):
    """For what PyTorch offers as several operations, or with no way to name the output."""
    return lambda x, y: y.copy_(function(x))


# op: (y = op(x) as PyTorch has it, at sigmax's default parameters; the exact value, in float64)
OPS = {
    "linear": (lambda x, y: y.copy_(x), lambda x: x),
    "relu": (lambda x, y: aten.relu.out(x, out=y), lambda x: x.clamp(min=0)),
    "relu6": (lambda x, y: aten.hardtanh.out(x, 0, 6, out=y), lambda x: x.clamp(0, 6)),
    "clip": (lambda x, y: torch.clamp(x, -1, 1, out=y), lambda x: x.clamp(-1, 1)),
    "leaky_relu": (lambda x, y: aten.leaky_relu.out(x, 0.1, out=y),
                   lambda x: torch.where(x > 0, x, x * float(np.float32(0.1)))),
    "thresholded_relu": (lambda x, y: aten.threshold.out(x, 1, 0, out=y), lambda x: torch.where(x > 1, x, 0)),
    "squared_relu": (composed(lambda x: torch.square(torch.relu(x))), lambda x: x.clamp(min=0)**2),
    "elu": (lambda x, y: aten.elu.out(x, 1, 1, 1, out=y), lambda x: torch.where(x > 0, x, torch.expm1(x))),
    "celu": (lambda x, y: aten.elu.out(x, 1, 1, 1, out=y), lambda x: torch.where(x > 0, x, torch.expm1(x))),
    "selu": (lambda x, y: aten.elu.out(x, SELU_ALPHA, SELU_SCALE, 1, out=y),
             lambda x: SELU_SCALE * torch.where(x > 0, x, SELU_ALPHA * torch.expm1(x))),
    "gelu": (lambda x, y: aten.gelu.out(x, out=y), lambda x: x * torch.special.erfc(-x * 0.5**0.5) / 2),
    "gelu_tanh": (lambda x, y: aten.gelu.out(x, approximate="tanh", out=y),
                  lambda x: x * torch.sigmoid(2 * (2 / torch.pi)**0.5 * (x + 0.044715 * x**3))),
    "quick_gelu": (composed(lambda x: x * torch.sigmoid(1.702 * x)),
                   lambda x: x * torch.sigmoid(float(np.float32(1.702)) * x)),
    "silu": (lambda x, y: aten.silu.out(x, out=y), lambda x: x * torch.sigmoid(x)),
    "hard_sigmoid": (lambda x, y: aten.hardsigmoid.out(x, out=y), lambda x: (x + 3).clamp(0, 6) / 6),
    "hard_swish": (lambda x, y: aten.hardswish.out(x, out=y), lambda x: x * (x + 3).clamp(0, 6) / 6),
    "sigmoid": (lambda x, y: torch.sigmoid(x, out=y), torch.sigmoid),
    "log_sigmoid": (lambda x, y: aten.log_sigmoid.out(x, out=y),
                    lambda x: x.clamp(max=0) - torch.log1p(torch.exp(-x.abs()))),
    "tanh": (lambda x, y: torch.tanh(x, out=y), torch.tanh),
    "softcap": (composed(lambda x: torch.tanh(x / 50) * 50), lambda x: 50 * torch.tanh(x / 50)),
    "tanhshrink": (composed(torch.nn.functional.tanhshrink), None),  # x - tanh(x) cancels in float64 too
    "softplus": (lambda x, y: aten.softplus.out(x, out=y),
                 lambda x: x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))),
    "softsign": (composed(torch.nn.functional.softsign), lambda x: x / (1 + x.abs())),
    "shrink": (lambda x, y: aten.hardshrink.out(x, 0.5, out=y), lambda x: torch.where(x.abs() > 0.5, x, 0)),
    "mish": (lambda x, y: aten.mish.out(x, out=y),
             lambda x: x * torch.tanh(x.clamp(min=0) + torch.log1p(torch.exp(-x.abs())))),
    "exp": (lambda x, y: torch.exp(x, out=y), torch.exp),
    "softmax": (lambda x, y: aten._softmax.out(x, -1, False, out=y), lambda x: torch.softmax(x, -1)),
    "log_softmax": (lambda x, y: aten._log_softmax.out(x, -1, False, out=y), lambda x: torch.log_softmax(x, -1)),
}
DTYPES = {  # and the digits and the exponent of the smallest normal number
    "f32": (torch.float32, 24, -126),
    "f16": (torch.float16, 11, -14),
    "bf16": (torch.bfloat16, 8, -126)
}


def largest_error(y, exact, dtype):
    """In ULP of the exact result, where that is a normal number."""
    _, digits, smallest = DTYPES[dtype]
    _, exponent = torch.frexp(exact)
    error = (y.to(f64) - exact).abs() * 2.0**(digits - exponent.to(f64))
    return error[exponent > smallest].max().item()


def prepare(row):
    """The timer of a row's PyTorch function and its largest error, or nothing where PyTorch has no such function."""
    function, exact = OPS.get(row["op"], (None, None))
    if function is None or row["in_place"]:
        return None
    shape = (row["batch"], row["rows"], row["cols"]) if row["rows"] else (row["elements"],)
    generator = torch.Generator().manual_seed(1)
    x = (3 * torch.randn(shape, generator=generator)).clamp(-10, 10).to(DTYPES[row["dtype"]][0])
    y = torch.empty_like(x)
    function(x, y)
    sample = (0, slice(None, max(1, 8192 // row["cols"]))) if row["rows"] else slice(None, 8192)
    error = largest_error(y[sample], exact(x[sample].to(f64)), row["dtype"]) if exact else None
    call = {"function": function, "x": x, "y": y}
    return Timer("function(x, y)", globals=call, num_threads=row["threads"]), error


def run_sigmax(arguments, rest):
    command = [arguments.bench, "run", *rest, "--output", "json", "--repetitions", "1"]
    command += ["--min-time", str(arguments.min_time)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="All other arguments are those of `sigmax-bench run`.")
    parser.add_argument("bench", help="path of sigmax-bench")
    parser.add_argument("--rounds", type=int, default=9, help="how often each is timed (default 9)")
    parser.add_argument("--min-time", type=float, default=0.05, help="seconds a round for each row (default 0.05)")
    parser.add_argument("--out", help="file for the JSON")
    arguments, rest = parser.parse_known_args()

    document = run_sigmax(arguments, rest)
    document["context"]["machine"].setdefault("peers", {})["pytorch"] = torch.__version__
    rows = [b for b in document["benchmarks"] if b["kind"] == "kernel"]
    ours, theirs = [[r["ns_per_element"]] for r in rows], [[] for _ in rows]
    for turn in range(arguments.rounds):
        print(f"\rround {turn + 1} of {arguments.rounds}", end="", file=sys.stderr, flush=True)
        if turn > 0:
            again = [b for b in run_sigmax(arguments, rest)["benchmarks"] if b["kind"] == "kernel"]
            for times, row in zip(ours, again):
                times.append(row["ns_per_element"])
        for times, row in zip(theirs, rows):
            if (peer := prepare(row)) is None:
                continue
            timer, row["pytorch_max_ulp_seen"] = peer
            times.append(timer.blocked_autorange(min_run_time=arguments.min_time).median * 1e9 / row["elements"])
    print(file=sys.stderr)

    print(f"{'case':44} {'ns/elem':>8} {'pytorch':>8} {'ratio':>6}  ULP")
    for row, mine, other in zip(rows, ours, theirs):
        scale = statistics.median(mine) / row["ns_per_element"]
        for name, factor in {"ns_per_element": scale, "real_time": scale, "bytes_per_second": 1 / scale,
                             "vs_naive": 1 / scale}.items():
            row[name] = row[name] and row[name] * factor
        row["repetitions"] = arguments.rounds
        row["samples"] = [t * row["elements"] for t in mine]
        if not other:
            continue
        row["pytorch_ns_per_element"] = statistics.median(other)
        row["vs_pytorch"] = row["pytorch_ns_per_element"] / row["ns_per_element"]
        error = row["pytorch_max_ulp_seen"]
        print(f"{row['run_name']:44} {row['ns_per_element']:8.3f} {row['pytorch_ns_per_element']:8.3f} "
              f"{row['vs_pytorch']:5.2f}x  {'-' if error is None else f'{error:.3g}'}")
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
