"""sigmax from Python against NumPy in double precision, and without NumPy on an array of ctypes.

python_test.py interface|numpy|torch; leaves with 77 if what it needs is missing.
"""

import ctypes
import math
import sys
import threading
import unittest

import sigmax
from sigmax._views import view_of

try:
    import numpy as np
except ImportError:
    np = None
try:
    import torch
except ImportError:
    torch = None


class CArray:
    """The least that __array_interface__ allows."""

    def __init__(self, values, read_only=False):
        self.data = (ctypes.c_float * len(values))(*values)
        self.shape = (len(values),)
        self.__array_interface__ = {
            "shape": self.shape,
            "typestr": "<f4",
            "data": (ctypes.addressof(self.data), read_only),
            "version": 3,
        }


class Interface(unittest.TestCase):
    def test_values_and_in_place(self):
        x = CArray([-2, -1, 0, 1, 2])
        self.assertIs(sigmax.activate("tanh", x, out=x), x)
        for got, wanted in zip(x.data, (-2, -1, 0, 1, 2)):
            self.assertAlmostEqual(got, math.tanh(wanted), delta=2e-7)

    def test_refusals(self):
        x, y = CArray([1, 2, 3]), CArray([1, 2])
        with self.assertRaises(sigmax.Error) as caught:
            sigmax.softmax(x, out=y)
        self.assertEqual(caught.exception.status, "shape_mismatch")
        self.assertIn("shape[0] is 3", str(caught.exception))
        with self.assertRaises(ValueError):
            sigmax.softmax(x, out=CArray([1, 2, 3], read_only=True))
        with self.assertRaises(TypeError):
            sigmax.softmax([1.0, 2.0], out=x)
        with self.assertRaises(ValueError):
            sigmax.activation("no such")
        for wrong in ({"accuracy": "foo"}, {"where": "gpu"}):
            with self.assertRaisesRegex(ValueError, "is none of"):
                sigmax.activate("relu", x, out=x, **wrong)
        for refused in (lambda: sigmax.cross_entropy(x, x, 3, y), lambda: sigmax.top_k_gating(x, 1, 3, y, y)):
            with self.assertRaises(sigmax.Error) as caught:
                refused()
            self.assertEqual(caught.exception.status, "invalid_argument")

    def test_facts(self):
        self.assertIn("gelu", sigmax.activations())
        self.assertEqual(sigmax.describe("leaky_relu")["parameters"][0]["name"], "slope")
        self.assertIn("swiglu", sigmax.gates())
        self.assertEqual(sigmax.describe_gate("swiglu_oai")["parameters"][1]["name"], "limit")
        self.assertTrue(any(row["usable"] for row in sigmax.cpu_isas()))
        self.assertRegex(sigmax.__version__, r"^\d+\.\d+\.\d+$")
        x = CArray([1, 2, 3])
        told = sigmax.explain("relu", x, x, dependent_launch=True)
        self.assertEqual((told["where"], told["cpu_ns"], told["cuda_ns"]), ("cpu", 0, 0))
        sigmax.activate(sigmax.activation("relu"), x, out=x)
        self.assertEqual(sigmax.explain_gated("reglu", x, x, x)["kernel"], "contiguous")
        self.assertEqual(sigmax.explain_softmax(x, x)["kernel"], "rows")
        self.assertEqual(sigmax.merge((1, 2), (1, 3)), (1, 5))
        self.assertTrue(sigmax.cuda_available() is None or "CUDA" in sigmax.cuda_available())

    def test_cuda_array_interface(self):
        class OnCuda:
            __cuda_array_interface__ = {
                "shape": (3, 4), "strides": (32, 8), "typestr": "<f4", "data": (4096, True), "version": 3
            }  # fmt: skip

        view, _ = view_of(OnCuda())
        self.assertEqual((view.data, view.where, view.type, view.rank), (4096, 1, 0, 2))
        self.assertEqual((list(view.shape[:2]), list(view.strides[:2])), ([3, 4], [8, 2]))
        with self.assertRaises(ValueError):
            view_of(OnCuda(), writable=True)

    def test_host_arrays_on_cuda(self):
        if sigmax.cuda_available() is None:
            sigmax.warm_up()
        else:
            with self.assertRaises(sigmax.Error) as caught:
                sigmax.warm_up()
            self.assertEqual(caught.exception.status, "unavailable")
        sigmax.cool_down()
        sigmax.set_calibration([1.0] * len(sigmax.activations()), launch_ns=5000, host_bytes_per_second=1e10)
        with self.assertRaises(sigmax.Error):
            sigmax.set_calibration([1.0] * len(sigmax.activations()), launch_ns=-1)
        with self.assertRaises(TypeError):
            sigmax.set_calibration(no_such=1)
        sigmax.set_calibration()


def exact_softmax(x, axis=-1):
    e = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


class Numpy(unittest.TestCase):
    def setUp(self):
        self.random = np.random.default_rng(1)
        self.x = self.random.normal(0, 3, (5, 7, 33)).astype(np.float32)

    def close(self, got, wanted, ulp=4):
        np.testing.assert_allclose(got, wanted, rtol=ulp * 2.0**-23, atol=1e-37)

    def test_activations(self):
        self.close(sigmax.activate("silu", self.x), self.x / (1 + np.exp(-self.x.astype(np.float64))))
        self.close(sigmax.activate("leaky_relu", self.x, 0.25), np.where(self.x > 0, self.x, 0.25 * self.x))
        dy = self.random.normal(0, 1, self.x.shape).astype(np.float32)
        self.close(
            sigmax.activation_gradient("tanh", dy, self.x), dy / np.cosh(self.x.astype(np.float64)) ** 2, ulp=16
        )

    def test_gates(self):
        a, b = self.x, np.ascontiguousarray(self.x[::-1])
        wide = a.astype(np.float64)
        sigmoid = 1 / (1 + np.exp(-wide))
        self.close(sigmax.activate_gated("swiglu", a, b), wide * sigmoid * b)
        self.close(sigmax.activate_gated("fatrelu_and_mul", a, b, 0.5), np.where(a > 0.5, wide, 0) * b)
        packed = np.concatenate([a, b], axis=-1)
        np.testing.assert_array_equal(
            sigmax.activate_gated("geglu", packed[..., :33], packed[..., 33:]), sigmax.activate_gated("geglu", a, b)
        )
        dy = self.random.normal(0, 1, a.shape).astype(np.float32)
        da, db = sigmax.gated_gradient("swiglu", dy, a, b)
        exact = sigmoid * (1 + wide * (1 - sigmoid)) * b * dy
        np.testing.assert_allclose(da, exact, rtol=1e-5, atol=1e-6)
        self.close(db, wide * sigmoid * dy)
        woven, grad = np.stack([a, b], axis=-1), np.zeros(a.shape + (2,), np.float32)
        sigmax.gated_gradient("swiglu", dy, woven[..., 0], woven[..., 1], da=grad[..., 0], db=grad[..., 1])
        np.testing.assert_array_equal(grad, np.stack([da, db], axis=-1))
        with self.assertRaises(sigmax.Error):
            sigmax.activate_gated("swiglu", a, b[1:])

    def test_strides_need_no_copy(self):
        turned = self.x.transpose(2, 0, 1)[::-2]
        out = np.zeros((60,) + turned.shape[1:], np.float32)[: turned.shape[0]]
        sigmax.softmax(turned, axis=0, out=out)
        self.close(out, exact_softmax(turned, 0))
        row = self.x[0, 0]
        before, self.x.flags.writeable = row.copy(), False
        with self.assertRaises(ValueError):
            sigmax.activate("relu", row, out=self.x[0, 0])
        np.testing.assert_array_equal(row, before)

    def test_half_precision(self):
        half = self.x.astype(np.float16)
        np.testing.assert_array_equal(sigmax.activate("relu", half), np.maximum(half, 0))

    def test_softmaxes(self):
        self.close(sigmax.softmax(self.x), exact_softmax(self.x))
        self.close(np.exp(sigmax.log_softmax(self.x, 1).astype(np.float64)), exact_softmax(self.x, 1), ulp=64)
        mask = self.random.random(self.x.shape) < 0.7
        mask[..., 0] = True
        lse = np.empty(self.x.shape[:-1] + (1,), np.float32)
        got = sigmax.softmax_fused(self.x, mask=mask, scale=0.5, lse=lse)
        scores = np.where(mask, self.x * np.float32(0.5), -np.inf)
        self.close(got, exact_softmax(scores))
        exact = np.log(np.exp(scores.astype(np.float64)).sum(-1, keepdims=True))
        np.testing.assert_allclose(lse, exact, rtol=1e-6, atol=1e-6)

    def test_parts(self):
        state = np.empty((2, 5, 7, 1), np.float32)
        sigmax.softmax_partial(self.x, max=state[0], sum=state[1])
        self.close(sigmax.softmax_finish(self.x, max=state[0], sum=state[1]), exact_softmax(self.x))

    def test_gradients_and_losses(self):
        y = exact_softmax(self.x).astype(np.float32)
        dy = self.random.normal(0, 1, y.shape).astype(np.float32)
        exact = y * (dy - (dy.astype(np.float64) * y).sum(-1, keepdims=True))
        np.testing.assert_allclose(sigmax.softmax_gradient(dy, y), exact, rtol=1e-5, atol=1e-7)
        logarithm = np.log(exact_softmax(self.x))
        exact = dy - np.exp(logarithm) * dy.astype(np.float64).sum(-1, keepdims=True)
        got = sigmax.log_softmax_gradient(dy, logarithm.astype(np.float32))
        np.testing.assert_allclose(got, exact, rtol=1e-5, atol=1e-5)
        targets = self.random.integers(0, 33, (5, 7, 1))
        exact = -np.take_along_axis(logarithm, targets, -1)
        np.testing.assert_allclose(sigmax.cross_entropy(self.x, targets), exact, rtol=1e-5, atol=1e-6)
        one = np.ones((5, 7, 1), np.float32)
        exact = exact_softmax(self.x)
        np.put_along_axis(exact, targets, np.take_along_axis(exact, targets, -1) - 1, -1)
        got = sigmax.cross_entropy_gradient(one, self.x, targets)
        np.testing.assert_allclose(got, exact, rtol=1e-5, atol=1e-7)

    def test_gating(self):
        weights, experts = sigmax.top_k_gating(self.x, 4)
        order = np.argsort(-self.x, axis=-1, kind="stable")[..., :4]
        np.testing.assert_array_equal(experts, order)
        chosen = np.take_along_axis(exact_softmax(self.x), order, -1)
        self.close(weights, chosen / chosen.sum(-1, keepdims=True), ulp=8)

    def test_quantised(self):
        codes = lambda y, scale: np.clip(np.rint(y / np.float32(scale)), -127, 127).astype(np.int8)
        x = self.x
        got = sigmax.activate_quantised("gelu", x, scale=0.125)  # a power of two: the quotient is exact
        np.testing.assert_array_equal(got, codes(sigmax.activate("gelu", x), 0.125))
        gated = sigmax.activate_gated_quantised("swiglu", x, x[::-1], scale=0.25)
        np.testing.assert_array_equal(gated, codes(sigmax.activate_gated("swiglu", x, x[::-1]), 0.25))
        y = sigmax.softmax_fused(x, scale=0.5)
        amax, scales = np.empty((2, 5, 7, 1), np.float32)
        got = sigmax.softmax_quantised(x, scale=0.5, row_scales=scales, amax=amax)
        np.testing.assert_array_equal(amax, y.max(-1, keepdims=True))
        np.testing.assert_allclose(scales, amax / 127, rtol=1e-6)
        self.assertLessEqual(np.abs(got * scales - y).max(axis=-1, keepdims=True).max(), scales.max() * 0.501)
        got = sigmax.softmax_quantised(x, code_scale=2.0**-7)
        np.testing.assert_array_equal(got, codes(sigmax.softmax(x), 2.0**-7))

    def test_dlpack(self):
        class OnlyDlpack:
            def __init__(self, array):
                self.array = array

            def __dlpack__(self):
                return self.array.__dlpack__()

        out = np.zeros_like(self.x)
        sigmax.softmax(OnlyDlpack(self.x), out=OnlyDlpack(out))
        self.close(out, exact_softmax(self.x))
        turned = np.zeros(self.x.shape[::-1], np.float32)
        sigmax.softmax(OnlyDlpack(self.x.T), axis=0, out=OnlyDlpack(turned))
        np.testing.assert_array_equal(turned, out.T)
        with self.assertRaises(TypeError):
            sigmax.softmax(OnlyDlpack(self.x.astype(np.float64)), out=OnlyDlpack(out))

    def test_empty_and_types(self):
        self.assertEqual(sigmax.softmax(np.empty((0, 4), np.float32)).shape, (0, 4))
        with self.assertRaises(TypeError):
            sigmax.activate("relu", np.zeros(3))

    def test_slices_from_threads(self):
        out = np.zeros_like(self.x)
        threads = [
            threading.Thread(target=sigmax.softmax, args=(self.x,), kwargs={"out": out, "slice": i, "slices": 4})
            for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(out, sigmax.softmax(self.x))


class Torch(unittest.TestCase):
    def setUp(self):
        self.x = torch.randn(5, 7, 33, generator=torch.Generator().manual_seed(1)) * 3

    def test_no_copy(self):
        place = self.x.data_ptr()
        wanted = torch.softmax(self.x.double(), -1)
        self.assertIs(sigmax.softmax(self.x, out=self.x), self.x)
        self.assertEqual(self.x.data_ptr(), place)
        torch.testing.assert_close(self.x.double(), wanted, rtol=2.0**-21, atol=0)

    def test_strides(self):
        turned = self.x.permute(2, 0, 1)
        out = torch.zeros(5, 33, 7).transpose(0, 1)
        sigmax.softmax(turned, axis=0, out=out)
        torch.testing.assert_close(out.double(), torch.softmax(turned.double(), 0), rtol=2.0**-21, atol=0)

    def test_types(self):
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            y = sigmax.activate("relu", self.x.to(dtype))
            self.assertEqual((y.dtype, y.device), (dtype, self.x.device))
            self.assertTrue(torch.equal(y, torch.relu(self.x.to(dtype))))
        weights, experts = sigmax.top_k_gating(self.x, 4)
        self.assertTrue(torch.equal(experts.long(), torch.topk(self.x, 4).indices))
        self.assertEqual(experts.dtype, torch.int32)
        mask = self.x > 0
        mask[..., 0] = True
        wanted = torch.softmax(self.x.double().masked_fill(~mask, -math.inf), -1)
        torch.testing.assert_close(sigmax.softmax_fused(self.x, mask=mask).double(), wanted, rtol=2.0**-21, atol=0)

    def test_quantised(self):
        self.assertEqual(sigmax.activate_quantised("relu", self.x, scale=0.125).dtype, torch.int8)
        for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
            codes = torch.zeros(self.x.shape, dtype=dtype)
            sigmax.activate_quantised("relu", self.x, out=codes)
            self.assertTrue(torch.equal(codes.float(), torch.relu(self.x).to(dtype).float()))


if __name__ == "__main__":
    which = sys.argv.pop()
    if which == "numpy" and np is None:
        print(f"skipped: {sys.executable} has no NumPy")
        sys.exit(77)
    if which == "torch" and torch is None:
        print(f"skipped: {sys.executable} has no PyTorch")
        sys.exit(77)
    unittest.main(defaultTest={"interface": "Interface", "numpy": "Numpy", "torch": "Torch"}[which])
