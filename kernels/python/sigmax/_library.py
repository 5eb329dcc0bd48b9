"""The structs and functions of sigmax.h, for ctypes."""

import ctypes
import os
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p, sizeof


class Versioned(ctypes.Structure):
    """A struct that starts with its size."""

    def __init__(self):
        super().__init__()
        initialise = _initialisers.get(type(self))
        if initialise:
            initialise(byref(self), sizeof(self))
        else:
            self.struct_size = sizeof(self)


class View(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("data", c_void_p),
        ("type", c_int32),
        ("where", c_int32),
        ("rank", c_int32),
        ("reserved", c_int32),
        ("shape", c_int64 * 8),
        ("strides", c_int64 * 8),
    ]


class ParallelFor(ctypes.Structure):
    _fields_ = [("run", c_void_p), ("context", c_void_p), ("concurrency", c_int32), ("reserved", c_int32)]


class Options(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("parameters", c_float * 2),
        ("accuracy", c_int32),
        ("where", c_int32),
        ("isa", c_char_p),
        ("stream", c_void_p),
        ("threads", ParallelFor),
        ("slice", c_int32),
        ("slices", c_int32),
        ("dependent_launch", c_int32),
        ("reserved", c_int32),
    ]


class SoftmaxForm(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("logarithm", c_int32),
        ("causal", c_int32),
        ("nan_if_masked", c_int32),
        ("scale", c_float),
        ("softcap", c_float),
        ("output_scale", c_float),
        ("offset", c_int64),
        ("window", c_int64),
        ("row_scale", POINTER(View)),
        ("slopes", POINTER(View)),
        ("mask", POINTER(View)),
        ("sinks", POINTER(View)),
        ("max", POINTER(View)),
        ("sum", POINTER(View)),
        ("lse", POINTER(View)),
    ]


class CrossEntropyForm(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("scale", c_float),
        ("label_smoothing", c_float),
        ("ignore_index", c_int64),
        ("lse", POINTER(View)),
    ]


class GatingForm(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("sigmoid", c_int32),
        ("renormalise", c_int32),
        ("scale", c_float),
        ("reserved", c_int32),
        ("bias", POINTER(View)),
    ]


class Quantisation(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("scale", c_float),
        ("reserved", c_int32),
        ("row_scales", POINTER(View)),
        ("amax", POINTER(View)),
    ]


class StagingMemory(Versioned):
    _fields_ = [("struct_size", c_size_t), ("pinned", c_void_p), ("bytes", c_int64)]


class Calibration(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("cpu_ns_per_element", POINTER(c_float)),
        ("activations", c_int64),
        ("host_bytes_per_second", c_double),
        ("host_bytes_per_second_at_most", c_double),
        ("bytes_per_second_to_device", c_double),
        ("bytes_per_second_from_device", c_double),
        ("device_bytes_per_second", c_double),
        ("launch_ns", c_double),
    ]


class Explanation(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("where", c_int32),
        ("accuracy", c_int32),
        ("streaming", c_int32),
        ("reserved", c_int32),
        ("tasks", c_int64),
        ("isa", c_char_p),
        ("kernel", c_char_p),
        ("reason", c_char * 256),
        ("cpu_ns", c_double),
        ("cuda_ns", c_double),
    ]


class ActivationInfo(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("formula", c_char_p),
        ("source", c_char_p),
        ("parameters", c_int32),
        ("has_fast", c_int32),
        ("bound_f32", c_float),
        ("bound_fast", c_float),
    ]


class ParameterInfo(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("default_value", c_float),
        ("lowest", c_float),
        ("highest", c_float),
        ("reserved", c_int32),
    ]


class IsaInfo(Versioned):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("lanes", c_int32),
        ("fma", c_int32),
        ("usable", c_int32),
        ("reserved", c_int32),
    ]


class State(ctypes.Structure):
    _fields_ = [("max", c_float), ("sum", c_float)]


def _load():
    """SIGMAX_LIBRARY names the shared library; else it lies beside this file, or where the loader looks."""
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.join(here, "libsigmax.so")
    named = os.environ.get("SIGMAX_LIBRARY")
    return ctypes.CDLL(named or (beside if os.path.exists(beside) else "libsigmax.so.0.1"))


library = _load()  # its calls release the interpreter's lock

_v, _o, _q = POINTER(View), POINTER(Options), POINTER(Quantisation)
_signatures = {
    "activate": (c_int32, [c_int32, _v, _v, _o]),
    "activation_gradient": (c_int32, [c_int32, _v, _v, _v, _o]),
    "activate_gated": (c_int32, [c_int32, _v, _v, _v, _o]),
    "gated_gradient": (c_int32, [c_int32, _v, _v, _v, _v, _v, _o]),
    "softmax": (c_int32, [_v, _v, c_int32, _o]),
    "log_softmax": (c_int32, [_v, _v, c_int32, _o]),
    "softmax_fused": (c_int32, [_v, _v, c_int32, POINTER(SoftmaxForm), _o]),
    "softmax_partial": (c_int32, [_v, c_int32, POINTER(SoftmaxForm), _o]),
    "softmax_finish": (c_int32, [_v, _v, c_int32, POINTER(SoftmaxForm), _o]),
    "merge": (State, [State, State]),
    "softmax_gradient": (c_int32, [_v, _v, _v, c_int32, c_float, _o]),
    "log_softmax_gradient": (c_int32, [_v, _v, _v, c_int32, c_float, _o]),
    "cross_entropy": (c_int32, [_v, _v, _v, c_int32, POINTER(CrossEntropyForm), _o]),
    "cross_entropy_gradient": (c_int32, [_v, _v, _v, _v, c_int32, POINTER(CrossEntropyForm), _o]),
    "top_k_gating": (c_int32, [_v, _v, _v, c_int32, POINTER(GatingForm), _o]),
    "activate_quantised": (c_int32, [c_int32, _v, _v, c_int32, _q, _o]),
    "activate_gated_quantised": (c_int32, [c_int32, _v, _v, _v, c_int32, _q, _o]),
    "softmax_quantised": (c_int32, [_v, _v, c_int32, POINTER(SoftmaxForm), _q, _o]),
    "explain": (c_int32, [c_int32, _v, _v, _o, POINTER(Explanation)]),
    "explain_softmax": (c_int32, [_v, _v, c_int32, _o, POINTER(Explanation)]),
    "explain_gated": (c_int32, [c_int32, _v, _v, _v, _o, POINTER(Explanation)]),
    "activation_count": (c_int32, []),
    "find_activation": (c_int32, [c_char_p]),
    "describe": (c_int32, [c_int32, POINTER(ActivationInfo)]),
    "describe_parameter": (c_int32, [c_int32, c_int32, POINTER(ParameterInfo)]),
    "gate_count": (c_int32, []),
    "find_gate": (c_int32, [c_char_p]),
    "describe_gate": (c_int32, [c_int32, POINTER(ActivationInfo)]),
    "describe_gate_parameter": (c_int32, [c_int32, c_int32, POINTER(ParameterInfo)]),
    "cpu_isa_count": (c_int32, []),
    "cpu_isa": (c_int32, [c_int32, POINTER(IsaInfo)]),
    "cuda_available": (c_int32, []),
    "version": (c_char_p, []),
    "status_string": (c_char_p, [c_int32]),
    "last_error": (c_char_p, []),
    "view_init": (None, [_v, c_size_t]),
    "options_init": (None, [_o, c_size_t]),
    "softmax_form_init": (None, [POINTER(SoftmaxForm), c_size_t]),
    "cross_entropy_form_init": (None, [POINTER(CrossEntropyForm), c_size_t]),
    "gating_form_init": (None, [POINTER(GatingForm), c_size_t]),
    "quantisation_init": (None, [_q, c_size_t]),
    "staging_memory_init": (None, [POINTER(StagingMemory), c_size_t]),
    "calibration_init": (None, [POINTER(Calibration), c_size_t]),
    "view_dense": (None, [_v, c_size_t, c_void_p, c_int32, c_int32, POINTER(c_int64)]),
    "warm_up": (c_int32, [POINTER(StagingMemory)]),
    "cool_down": (c_int32, []),
    "set_calibration": (c_int32, [POINTER(Calibration)]),
}
for _name, (_result, _arguments) in _signatures.items():
    _function = getattr(library, "sigmax_" + _name)
    _function.restype, _function.argtypes = _result, _arguments

_initialisers = {
    View: library.sigmax_view_init,
    Options: library.sigmax_options_init,
    SoftmaxForm: library.sigmax_softmax_form_init,
    CrossEntropyForm: library.sigmax_cross_entropy_form_init,
    GatingForm: library.sigmax_gating_form_init,
    Quantisation: library.sigmax_quantisation_init,
    StagingMemory: library.sigmax_staging_memory_init,
    Calibration: library.sigmax_calibration_init,
}
