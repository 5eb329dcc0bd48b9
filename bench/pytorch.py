#!/usr/bin/env python3
"""PyTorch beside sigmax: `python3 bench/pytorch.py build/release/bench/sigmax-bench --op silu,gelu --size 64Ki`.

Runs `sigmax-bench run` with the given arguments and PyTorch's function of every row, in turns, and prints the medians.
`--compile` times torch.compile of the same functions, too. With `--device cuda` it is `sigmax-bench cuda`, and PyTorch is
timed as that does it: many calls in a replayed graph, over tensors in turn that do not fit the L2 cache together.
`--out` gets the JSON of `run`, with peers named pytorch and pytorch_compile. Needs torch (CPU is enough) and numpy.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.benchmark import Timer

aten, f64 = torch.ops.aten, torch.float64
torch._dynamo.config.cache_size_limit = 1000  # every shape is compiled for itself, and none falls back to eager
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def softplus64(x):
    return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))


def gelu64(x):
    return x * torch.special.erfc(-x * 0.5**0.5) / 2


def gelu_tanh64(x):
    return x * torch.sigmoid(2 * (2 / torch.pi)**0.5 * (x + 0.044715 * x**3))


def swiglu_oai(a, b):
    g = a.clamp(max=7)
    return g * torch.sigmoid(1.702 * g) * (b.clamp(-7, 7) + 1)


def gate(f, exact, of_b=False):
    """The product of f of one and the other, written without a copy."""
    pick = (lambda a, b: (b, a)) if of_b else (lambda a, b: (a, b))

    def times(f):
        return lambda a, b: (lambda p, q: f(p) * q)(*pick(a, b))

    def into(y, a, b):
        p, q = pick(a, b)
        return torch.mul(f(p), q, out=y)

    return times(f), into, times(exact)


# op: (op(x), the same written to y or None where PyTorch has no such call, the exact value in float64 or None), at
# sigmax's default parameters
OPS = {
    "linear": (lambda x: x, lambda y, x: y.copy_(x), lambda x: x),
    "relu": (F.relu, lambda y, x: aten.relu.out(x, out=y), lambda x: x.clamp(min=0)),
    "relu6": (F.relu6, lambda y, x: aten.hardtanh.out(x, 0, 6, out=y), lambda x: x.clamp(0, 6)),
    "clip": (lambda x: x.clamp(-1, 1), lambda y, x: torch.clamp(x, -1, 1, out=y), lambda x: x.clamp(-1, 1)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), lambda y, x: aten.leaky_relu.out(x, 0.1, out=y),
                   lambda x: torch.where(x > 0, x, x * float(np.float32(0.1)))),
    "thresholded_relu": (lambda x: F.threshold(x, 1, 0), lambda y, x: aten.threshold.out(x, 1, 0, out=y),
                         lambda x: torch.where(x > 1, x, 0)),
    "squared_relu": (lambda x: torch.square(torch.relu(x)), lambda y, x: torch.square(torch.relu(x), out=y),
                     lambda x: x.clamp(min=0)**2),
    "elu": (F.elu, lambda y, x: aten.elu.out(x, 1, 1, 1, out=y), lambda x: torch.where(x > 0, x, torch.expm1(x))),
    "celu": (F.celu, lambda y, x: aten.elu.out(x, 1, 1, 1, out=y), lambda x: torch.where(x > 0, x, torch.expm1(x))),
    "selu": (F.selu, lambda y, x: aten.elu.out(x, SELU_ALPHA, SELU_SCALE, 1, out=y),
             lambda x: SELU_SCALE * torch.where(x > 0, x, SELU_ALPHA * torch.expm1(x))),
    "gelu": (F.gelu, lambda y, x: aten.gelu.out(x, out=y), gelu64),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), lambda y, x: aten.gelu.out(x, approximate="tanh", out=y),
                  gelu_tanh64),
    "quick_gelu": (lambda x: x * torch.sigmoid(1.702 * x), lambda y, x: torch.mul(x, torch.sigmoid(1.702 * x), out=y),
                   lambda x: x * torch.sigmoid(float(np.float32(1.702)) * x)),
    "silu": (F.silu, lambda y, x: aten.silu.out(x, out=y), lambda x: x * torch.sigmoid(x)),
    "hard_sigmoid": (F.hardsigmoid, lambda y, x: aten.hardsigmoid.out(x, out=y), lambda x: (x + 3).clamp(0, 6) / 6),
    "hard_swish": (F.hardswish, lambda y, x: aten.hardswish.out(x, out=y), lambda x: x * (x + 3).clamp(0, 6) / 6),
    "sigmoid": (torch.sigmoid, lambda y, x: torch.sigmoid(x, out=y), torch.sigmoid),
    "log_sigmoid": (F.logsigmoid, lambda y, x: aten.log_sigmoid.out(x, out=y),
                    lambda x: x.clamp(max=0) - torch.log1p(torch.exp(-x.abs()))),
    "tanh": (torch.tanh, lambda y, x: torch.tanh(x, out=y), torch.tanh),
    "softcap": (lambda x: torch.tanh(x / 50) * 50, lambda y, x: torch.mul(torch.tanh(x / 50), 50, out=y),
                lambda x: 50 * torch.tanh(x / 50)),
    "tanhshrink": (F.tanhshrink, None, None),  # x - tanh(x) cancels in float64 too
    "softplus": (F.softplus, lambda y, x: aten.softplus.out(x, out=y), softplus64),
    "softsign": (F.softsign, None, lambda x: x / (1 + x.abs())),
    "shrink": (F.hardshrink, lambda y, x: aten.hardshrink.out(x, 0.5, out=y),
               lambda x: torch.where(x.abs() > 0.5, x, 0)),
    "mish": (F.mish, lambda y, x: aten.mish.out(x, out=y), lambda x: x * torch.tanh(softplus64(x))),
    "exp": (torch.exp, lambda y, x: torch.exp(x, out=y), torch.exp),
    "glu": gate(torch.sigmoid, torch.sigmoid, of_b=True),
    "swiglu": gate(F.silu, lambda x: x * torch.sigmoid(x)),
    "mul_and_silu": gate(F.silu, lambda x: x * torch.sigmoid(x), of_b=True),
    "geglu": gate(F.gelu, gelu64),
    "geglu_tanh": gate(lambda x: F.gelu(x, approximate="tanh"), gelu_tanh64),
    "geglu_quick": gate(lambda x: x * torch.sigmoid(1.702 * x),
                        lambda x: x * torch.sigmoid(float(np.float32(1.702)) * x)),
    "reglu": gate(F.relu, F.relu),
    "fatrelu_and_mul": gate(F.relu, F.relu),
    "swiglu_oai": (swiglu_oai, None, None),
    "softmax": (lambda x: torch.softmax(x, -1), lambda y, x: aten._softmax.out(x, -1, False, out=y),
                lambda x: torch.softmax(x, -1)),
    "log_softmax": (lambda x: torch.log_softmax(x, -1), lambda y, x: aten._log_softmax.out(x, -1, False, out=y),
                    lambda x: torch.log_softmax(x, -1)),
    "softmax+across": (lambda x: torch.softmax(x, -2), lambda y, x: aten._softmax.out(x, -2, False, out=y),
                       lambda x: torch.softmax(x, -2)),
    "log_softmax+across": (lambda x: torch.log_softmax(x, -2), lambda y, x: aten._log_softmax.out(x, -2, False, out=y),
                           lambda x: torch.log_softmax(x, -2)),
    "softmax+causal": (lambda x, hidden: torch.softmax(x.masked_fill(hidden, -torch.inf), -1),
                       lambda y, x, hidden: aten._softmax.out(x.masked_fill(hidden, -torch.inf), -1, False, out=y),
                       None),
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


def has_b(row):
    return row["op"].startswith("mul_and") or row["op"].endswith("_and_mul") or "glu" in row["op"]


def inputs_of(row, device, count):
    """`count` sets of tensors, y first. Gates of rows have a and b packed; causal rows come with the caller's mask."""
    dtype = DTYPES[row["dtype"]][0]
    shape = (row["batch"], row["rows"], row["cols"]) if row["rows"] else (row["elements"],)
    if row["op"].endswith("+across"):
        shape = (row["batch"], row["cols"], row["rows"])
    packed = has_b(row) and row["rows"] and device == "cuda"
    generator = torch.Generator(device).manual_seed(1)

    def numbers(extents):
        return (3 * torch.randn(extents, generator=generator, device=device)).clamp(-10, 10).to(dtype)

    first = [numbers(shape[:-1] + (2 * shape[-1],))] if packed else [numbers(shape) for _ in range(1 + has_b(row))]
    sets = []
    for i in range(count):
        tensors = [t.clone() if i else t for t in first]
        x = list(tensors[0].chunk(2, -1)) if packed else tensors
        if row["op"].endswith("+causal"):
            x.append(torch.ones(shape[-2:], dtype=torch.bool, device=device).triu(shape[-1] - shape[-2] + 1))
        sets.append([torch.empty(shape, dtype=dtype, device=device), *x])
    return sets


def time_on_cpu(call, sets, row, min_time):
    timer = Timer("call(*tensors)", globals={"call": call, "tensors": sets[0]}, num_threads=row["threads"])
    return timer.blocked_autorange(min_run_time=min_time).median * 1e9


def time_on_cuda(call, sets, row, min_time):
    """As time_calls of cuda_device.cpp does it."""
    calls = max(len(sets), int(1e-3 / max(2e-6, row["bytes_per_call"] / 3e12)))
    torch.cuda.synchronize()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):  # what is set up at a first call must not be captured
        for tensors in sets[:2]:
            call(*tensors)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(calls):
            call(*sets[i % len(sets)])
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for _ in range(3):
        graph.replay()
    times = []
    while sum(times) < 1e3 * min_time or len(times) < 5:
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times) * 1e6 / calls


@functools.cache
def compiled_form(op):
    function = OPS[op][0]
    return torch.compile(lambda y, *x: y.copy_(function(*x)), dynamic=False)


class Peer:
    """Of one row: PyTorch's call, or torch.compile's."""

    def __init__(self, row, device, compiled):
        function, into, exact = OPS[row["op"]]
        self.call = compiled_form(row["op"]) if compiled else into or (lambda y, *x: y.copy_(function(*x)))
        buffers = 1
        row["bytes_per_call"] = row["bytes_per_second"] * row["ns_per_element"] * row["elements"] / 1e9
        if device == "cuda":
            buffers = int(2 * torch.cuda.get_device_properties(0).L2_cache_size / row["bytes_per_call"]) + 1
        self.sets, self.device = inputs_of(row, device, buffers), device
        torch.set_num_threads(row["threads"])  # compiled code has their number in it
        y, *x = self.sets[0]
        self.call(y, *x)
        some = slice(None, max(1, 8192 // (row["cols"] or 1)))
        sample = (0, Ellipsis, some) if row["op"].endswith("+across") else (0, some) if row["rows"] else slice(None, 8192)
        self.error = largest_error(y[sample], exact(*(t[sample].to(f64) for t in x)), row["dtype"]) if exact else None

    def ns(self, row, min_time):
        timer = time_on_cuda if self.device == "cuda" else time_on_cpu
        return timer(self.call, self.sets, row, min_time)


def run_sigmax(arguments, rest):
    if arguments.device == "cuda":
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cuda.json")
            command = [arguments.bench, "cuda", *rest, "--json", path, "--min-time", str(arguments.min_time)]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                with open(path, encoding="utf-8") as file:
                    return json.load(file)
    else:
        command = [arguments.bench, "run", *rest, "--output", "json", "--repetitions", "1"]
        command += ["--min-time", str(arguments.min_time)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            return json.loads(done.stdout)
    print((done.stderr or done.stdout).strip().splitlines()[-1], file=sys.stderr)
    sys.exit(done.returncode)


def kernels_of(document):
    return [b for b in document["benchmarks"] if b["kind"] == "kernel" and "error_occurred" not in b]


def settle(row, mine):
    """The medians over rounds, in place of the first round's."""
    scale = statistics.median(mine) / row["ns_per_element"]
    for name, factor in {"ns_per_element": scale, "real_time": scale, "bytes_per_second": 1 / scale,
                         "vs_naive": 1 / scale, "of_copy": 1 / scale}.items():
        if row.get(name):
            row[name] *= factor
    if len(mine) > 1:
        row["repetitions"] = len(mine)
        row["samples"] = [t * row["elements"] for t in mine]


def add_peer(document, row, name, times, error):
    """Its fields in the row, and an entry of its own."""
    ns = statistics.median(times)
    row[f"{name}_ns_per_element"] = ns
    row[f"vs_{name}"] = ns / row["ns_per_element"]
    row[f"{name}_max_ulp_seen"] = error
    document["benchmarks"].append({
        "name": f"{name}:{row['run_name']}_median", "run_name": f"{name}:{row['run_name']}", "run_type": "aggregate",
        "aggregate_name": "median", "repetitions": len(times), "real_time": ns * row["elements"], "time_unit": "ns",
        "samples": [t * row["elements"] for t in times], "kind": "peer", "backend": row["backend"],
        "elements": row["elements"], "ns_per_element": ns, "max_ulp_seen": error,
        "bytes_per_second": row["bytes_per_second"] * row["ns_per_element"] / ns})


def save(document, path):
    """In one piece, or not: a time limit may end this at any moment."""
    if path:
        with open(path + ".part", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="All other arguments are those of `sigmax-bench run`, or of `cuda`.")
    parser.add_argument("bench", help="path of sigmax-bench")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(default cpu)")
    parser.add_argument("--compile", action="store_true", help="time torch.compile, too")
    parser.add_argument("--rounds", type=int, help="how often each is timed (default 9; on cuda 1)")
    parser.add_argument("--min-time", type=float, default=0.05, help="seconds a round for each row (default 0.05)")
    parser.add_argument("--out", help="file for the JSON")
    arguments, rest = parser.parse_known_args()
    rounds = arguments.rounds or (1 if arguments.device == "cuda" else 9)
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch sees no CUDA device", file=sys.stderr)
        sys.exit(77)

    document = run_sigmax(arguments, rest)
    document["context"]["machine"].setdefault("peers", {})["pytorch"] = torch.__version__
    rows = kernels_of(document)
    ours = [[r["ns_per_element"]] for r in rows]
    forms = {"pytorch": False, "pytorch_compile": True} if arguments.compile else {"pytorch": False}
    theirs = {name: [[] for _ in rows] for name in forms}

    for turn in range(rounds):
        last = turn == rounds - 1
        print(f"round {turn + 1} of {rounds}", file=sys.stderr)
        if turn > 0:
            for times, row in zip(ours, kernels_of(run_sigmax(arguments, rest))):
                times.append(row["ns_per_element"])
        if last:
            print(f"{'case':44} {'ns/elem':>8}" + "".join(f" {name:>15} {'ratio':>6} {'ULP':>8}" for name in forms))
        for i, row in enumerate(rows):
            if last:
                settle(row, ours[i])
            line = f"{row['run_name']:44} {row['ns_per_element']:8.4f}"
            for name, compiled in forms.items():
                if row["op"] not in OPS or row["in_place"] or row.get("misaligned"):
                    continue
                peer, times = Peer(row, arguments.device, compiled), theirs[name][i]
                times.append(peer.ns(row, arguments.min_time) / row["elements"])
                if last:
                    add_peer(document, row, name, times, peer.error)
                    error = "-" if peer.error is None else f"{peer.error:.3g}"
                    line += f" {row[name + '_ns_per_element']:15.4f} {row['vs_' + name]:5.2f}x {error:>8}"
            if last:
                print(line, flush=True)
                save(document, arguments.out)


if __name__ == "__main__":
    main()
