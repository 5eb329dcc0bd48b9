"""A small network in ONNX Runtime, as it is and with sigmax's kernels in place of the runtime's.

onnxruntime_test.py LIBRARY; leaves with 77 if what it needs is missing.
"""

import sys


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


if len(sys.argv) != 2 or not sys.argv[1]:
    skip("the custom-op library was not built: no onnxruntime_cxx_api.h (cmake -DSIGMAX_ONNXRUNTIME_INCLUDE_DIR=...)")
try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    skip(f"{sys.executable}: {error}")

random = np.random.default_rng(7)
rows, width, classes = 512, 96, 512


def weights(name, shape):
    return numpy_helper.from_array(random.normal(0, shape[0] ** -0.5, shape).astype(np.float32), name)


def network(ours):
    """x -> MatMul -> Gelu -> MatMul -> HardSwish -> MatMul -> Softmax"""
    domain = "sigmax" if ours else ""
    gelu = ("Activation", {"activation": "gelu"}) if ours else ("Gelu", {})
    hard_swish = ("Activation", {"activation": "hard_swish"}) if ours else ("HardSwish", {})
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["t1"]),
        helper.make_node(gelu[0], ["t1"], ["t2"], domain=domain, **gelu[1]),
        helper.make_node("MatMul", ["t2", "b"], ["t3"]),
        helper.make_node(hard_swish[0], ["t3"], ["t4"], domain=domain, **hard_swish[1]),
        helper.make_node("MatMul", ["t4", "c"], ["t5"]),
        helper.make_node("Softmax", ["t5"], ["y"], domain=domain, axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", classes])],
        [parameters[name] for name in ("a", "b", "c")],
    )
    opsets = [helper.make_opsetid("", 20)] + ([helper.make_opsetid("sigmax", 1)] if ours else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


parameters = {"a": weights("a", (width, width)), "b": weights("b", (width, width)), "c": weights("c", (width, classes))}
x = random.normal(0, 2, (rows, width)).astype(np.float32)


def run(ours, threads, model=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    if ours:
        options.register_custom_ops_library(sys.argv[1])
    session = ort.InferenceSession(model or network(ours), options, providers=["CPUExecutionProvider"])
    nodes = {node.domain + ":" + node.op_type for node in onnx.load_from_string(model or network(ours)).graph.node}
    return session.run(None, {"x": x})[0], nodes


theirs, _ = run(False, 2)
mine, nodes = run(True, 2)
assert "sigmax:Softmax" in nodes and ":Softmax" not in nodes, nodes
np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=1e-8)
np.testing.assert_allclose(mine.sum(axis=1), 1, rtol=1e-6)
np.testing.assert_array_equal(mine, run(True, 2)[0])
print(f"onnxruntime {ort.__version__}: largest difference {np.abs(mine - theirs).max():.2e}, of {mine.max():.2e}")

# What sigmax refuses is the runtime's error, not the end of the process.
for attributes, words in (({"axis": 5}, "axis 5"),):
    broken = onnx.load_from_string(network(True))
    broken.graph.node[-1].attribute[0].i = attributes["axis"]
    try:
        run(True, 1, broken.SerializeToString())
    except Exception as error:
        assert words in str(error), error
        print("refused:", str(error).splitlines()[0])
    else:
        raise AssertionError("a wrong axis went through")
