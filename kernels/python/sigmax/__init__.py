"""sigmax from Python: activation functions and softmax on arrays, in place or into `out`, without copies.

Arrays are what has __array_interface__ (NumPy), __cuda_array_interface__ (CuPy) or __dlpack__ (PyTorch, JAX ...). Every
function takes the options of the library as keywords: accuracy="high" | "fast", isa="avx2" ...; only threads is not
offered: call from your own threads with slice=i, slices=n; the interpreter's lock is released meanwhile. Without `out`
one is made: PyTorch's or CuPy's as the input, else NumPy's.
"""

import operator
import sys
from ctypes import byref, c_float, pointer

from ._library import (
    ActivationInfo,
    Calibration,
    CrossEntropyForm,
    Explanation,
    GatingForm,
    IsaInfo,
    Options,
    ParameterInfo,
    Quantisation,
    SoftmaxForm,
    StagingMemory,
    State,
    library,
)
from ._views import view_of

__version__ = library.sigmax_version().decode()
_accuracies = {"high": 0, "fast": 1}
_backends = {"automatic": 0, "cpu": 1, "cuda": 2}
_backend_names = list(_backends)


class Error(ValueError):
    """A call that the library refused. `status` is the name of the status; unless it is backend_error nothing was
    written."""

    def __init__(self, code):
        self.status = library.sigmax_status_string(code).decode()
        super().__init__(f"{library.sigmax_last_error().decode()} ({self.status})")


def _check(code):
    if code != 0:
        raise Error(code)


def _number_of(word, words):
    if word not in words:
        raise ValueError(f"{word!r} is none of {', '.join(words)}")
    return words[word]


def _options(
    parameters=(),
    accuracy="high",
    where="automatic",
    isa=None,
    stream=None,
    slice=0,
    slices=1,
    dependent_launch=False,
):
    options = Options()
    if len(parameters) > 2:
        raise ValueError(f"{len(parameters)} parameters; no activation or gate has more than 2")
    options.parameters[: len(parameters)] = parameters
    options.accuracy = _number_of(accuracy, _accuracies)
    options.where = _number_of(where, _backends)
    options.isa = None if isa is None else isa.encode()
    options.stream = stream
    options.slice, options.slices = slice, slices
    options.dependent_launch = dependent_launch
    return options


class _Arrays:
    """The views of one call, and what keeps their memory alive."""

    def __init__(self):
        self._kept = []

    def view(self, array, writable):
        view, owner = view_of(array, writable)
        self._kept.append((view, owner, array))
        return view

    def __call__(self, array, writable=False):
        """For an argument."""
        return byref(self.view(array, writable))

    def pointer(self, array, writable=False):
        """For a member of a struct."""
        return None if array is None else pointer(self.view(array, writable))


def _like(array, out, shape=None, dtype=None):
    if out is not None:
        return out
    shape = array.shape if shape is None else shape
    module = sys.modules.get(type(array).__module__.split(".")[0])
    if module is None or module.__name__ not in ("torch", "cupy"):
        import numpy as module
    place = {"device": array.device} if module.__name__ == "torch" else {}
    return module.empty(tuple(shape), dtype=getattr(module, dtype) if dtype else array.dtype, **place)


def _rows(x, axis, extent=1):
    """The shape of one value a row, or of so many. An axis that x has not is the library's to refuse."""
    shape = list(x.shape)
    if -len(shape) <= axis < len(shape):
        shape[axis] = extent
    return shape


def activation(name):
    """The number of an activation; of a number itself."""
    if not isinstance(name, str):
        return operator.index(name)
    number = library.sigmax_find_activation(name.encode())
    if number < 0:
        raise ValueError(f"there is no activation {name!r}")
    return number


def activations():
    """The names of all activations."""
    return [describe(i)["name"] for i in range(library.sigmax_activation_count())]


def gate(name):
    """The same of a gate."""
    if not isinstance(name, str):
        return operator.index(name)
    number = library.sigmax_find_gate(name.encode())
    if number < 0:
        raise ValueError(f"there is no gate {name!r}")
    return number


def gates():
    """The names of all gates."""
    return [describe_gate(i)["name"] for i in range(library.sigmax_gate_count())]


def _describe(number, tell, tell_parameter):
    info = ActivationInfo()
    _check(tell(number, byref(info)))
    parameters = []
    for i in range(info.parameters):
        p = ParameterInfo()
        _check(tell_parameter(number, i, byref(p)))
        parameters.append(
            {"name": p.name.decode(), "default": p.default_value, "lowest": p.lowest, "highest": p.highest}
        )
    return {
        "name": info.name.decode(),
        "formula": info.formula.decode(),
        "source": info.source.decode(),
        "parameters": parameters,
        "bound_f32": info.bound_f32,
        "bound_fast": info.bound_fast if info.has_fast else None,
    }


def describe(op):
    """Name, formula, source, parameters and error bounds of an activation."""
    return _describe(activation(op), library.sigmax_describe, library.sigmax_describe_parameter)


def describe_gate(op):
    """The same of a gate."""
    return _describe(gate(op), library.sigmax_describe_gate, library.sigmax_describe_gate_parameter)


def activate(op, x, *parameters, out=None, **options):
    """out = op(x); `out` may be x."""
    view, out = _Arrays(), _like(x, out)
    how = _options(parameters, **options)
    _check(library.sigmax_activate(activation(op), view(x), view(out, True), byref(how)))
    return out


def activation_gradient(op, dy, x, *parameters, out=None, **options):
    """out = dy * op'(x); `out` may be dy or x."""
    view, out = _Arrays(), _like(x, out)
    how = _options(parameters, **options)
    _check(library.sigmax_activation_gradient(activation(op), view(dy), view(x), view(out, True), byref(how)))
    return out


def activate_gated(op, a, b, *parameters, out=None, **options):
    """out = op(a, b), such as silu(a) b; `out` may be a or b. Halves of a packed array are slices of it."""
    view, out = _Arrays(), _like(a, out)
    how = _options(parameters, **options)
    _check(library.sigmax_activate_gated(gate(op), view(a), view(b), view(out, True), byref(how)))
    return out


def gated_gradient(op, dy, a, b, *parameters, da=None, db=None, **options):
    """(da, db) = dy times the derivatives of op(a, b) by a and b; they may be dy, a or b."""
    view, da, db = _Arrays(), _like(a, da), _like(b, db)
    how = _options(parameters, **options)
    arrays = (view(dy), view(a), view(b), view(da, True), view(db, True))
    _check(library.sigmax_gated_gradient(gate(op), *arrays, byref(how)))
    return da, db


def softmax(x, axis=-1, out=None, **options):
    """Along `axis`; `out` may be x."""
    view, out = _Arrays(), _like(x, out)
    _check(library.sigmax_softmax(view(x), view(out, True), axis, byref(_options(**options))))
    return out


def log_softmax(x, axis=-1, out=None, **options):
    """Along `axis`; `out` may be x."""
    view, out = _Arrays(), _like(x, out)
    _check(library.sigmax_log_softmax(view(x), view(out, True), axis, byref(_options(**options))))
    return out


_form_inputs = ("row_scale", "slopes", "mask", "sinks")
_form_states = ("max", "sum", "lse")


def _split_form(keywords, view, states_are_outputs=True):
    """A SoftmaxForm from those of the keywords that are its members; they are taken out."""
    form = SoftmaxForm()
    for name in _form_inputs + _form_states:
        array = keywords.pop(name, None)
        if array is not None:
            setattr(form, name, view.pointer(array, states_are_outputs and name in _form_states))
    for name in ("logarithm", "causal", "nan_if_masked", "scale", "softcap", "output_scale", "offset", "window"):
        if name in keywords:
            setattr(form, name, keywords.pop(name))
    return form


def softmax_fused(x, axis=-1, out=None, **form_and_options):
    """softmax of the scores that the members of softmax_form, as keywords, make of x."""
    view, out = _Arrays(), _like(x, out)
    form = _split_form(form_and_options, view)
    how = _options(**form_and_options)
    _check(library.sigmax_softmax_fused(view(x), view(out, True), axis, byref(form), byref(how)))
    return out


def softmax_partial(x, axis=-1, **form_and_options):
    """Writes those of max, sum and lse that are given."""
    view = _Arrays()
    form = _split_form(form_and_options, view)
    _check(library.sigmax_softmax_partial(view(x), axis, byref(form), byref(_options(**form_and_options))))


def softmax_finish(x, axis=-1, out=None, **form_and_options):
    """From the max and sum of whole rows."""
    view, out = _Arrays(), _like(x, out)
    form = _split_form(form_and_options, view, states_are_outputs=False)
    how = _options(**form_and_options)
    _check(library.sigmax_softmax_finish(view(x), view(out, True), axis, byref(form), byref(how)))
    return out


def merge(a, b):
    """The (max, sum) of two parts of a row."""
    whole = library.sigmax_merge(State(*a), State(*b))
    return whole.max, whole.sum


def softmax_gradient(dy, y, axis=-1, scale=1.0, out=None, **options):
    """The backward pass of y = softmax(scale x)."""
    view, out = _Arrays(), _like(y, out)
    how = _options(**options)
    _check(library.sigmax_softmax_gradient(view(dy), view(y), view(out, True), axis, scale, byref(how)))
    return out


def log_softmax_gradient(dy, y, axis=-1, scale=1.0, out=None, **options):
    """The backward pass of y = log_softmax(scale x)."""
    view, out = _Arrays(), _like(y, out)
    how = _options(**options)
    _check(library.sigmax_log_softmax_gradient(view(dy), view(y), view(out, True), axis, scale, byref(how)))
    return out


def _loss_form(view, scale, label_smoothing, ignore_index, lse, writable):
    form = CrossEntropyForm()
    form.scale, form.label_smoothing, form.ignore_index = scale, label_smoothing, ignore_index
    form.lse = view.pointer(lse, writable)
    return form


def cross_entropy(x, targets, axis=-1, out=None, *, scale=1, label_smoothing=0, ignore_index=-100, lse=None, **options):
    """One loss a row, with an extent of 1 along the axis; `targets` has that shape."""
    view, out = _Arrays(), _like(x, out, _rows(x, axis))
    form = _loss_form(view, scale, label_smoothing, ignore_index, lse, True)
    how = _options(**options)
    _check(library.sigmax_cross_entropy(view(x), view(targets), view(out, True), axis, byref(form), byref(how)))
    return out


def cross_entropy_gradient(
    dloss, x, targets, axis=-1, out=None, *, scale=1, label_smoothing=0, ignore_index=-100, lse=None, **options
):
    view, out = _Arrays(), _like(x, out)
    form = _loss_form(view, scale, label_smoothing, ignore_index, lse, False)
    arrays = (view(dloss), view(x), view(targets), view(out, True))
    _check(library.sigmax_cross_entropy_gradient(*arrays, axis, byref(form), byref(_options(**options))))
    return out


def top_k_gating(
    x, k, axis=-1, weights=None, experts=None, *, sigmoid=False, renormalise=True, scale=1, bias=None, **options
):
    """(weights, experts) of the k largest scores of each row."""
    view, form = _Arrays(), GatingForm()
    shape = _rows(x, axis, k)
    weights, experts = _like(x, weights, shape), _like(x, experts, shape, "int32")
    form.sigmoid, form.renormalise, form.scale, form.bias = sigmoid, renormalise, scale, view.pointer(bias)
    how = _options(**options)
    _check(
        library.sigmax_top_k_gating(view(x), view(weights, True), view(experts, True), axis, byref(form), byref(how))
    )
    return weights, experts


def _codes(view, scale, row_scales, amax):
    codes = Quantisation()
    codes.scale = scale
    codes.row_scales, codes.amax = view.pointer(row_scales, True), view.pointer(amax, True)
    return codes


def activate_quantised(op, x, *parameters, axis=-1, out=None, scale=1.0, row_scales=None, amax=None, **options):
    """out = codes of op(x): int8 or the 8-bit floats of `out`. With `row_scales` each row is scaled by its own."""
    view, out = _Arrays(), _like(x, out, dtype="int8")
    codes, how = _codes(view, scale, row_scales, amax), _options(parameters, **options)
    _check(
        library.sigmax_activate_quantised(activation(op), view(x), view(out, True), axis, byref(codes), byref(how))
    )
    return out


def activate_gated_quantised(
    op, a, b, *parameters, axis=-1, out=None, scale=1.0, row_scales=None, amax=None, **options
):
    """The same of op(a, b)."""
    view, out = _Arrays(), _like(a, out, dtype="int8")
    codes, how = _codes(view, scale, row_scales, amax), _options(parameters, **options)
    arrays = (view(a), view(b), view(out, True))
    _check(library.sigmax_activate_gated_quantised(gate(op), *arrays, axis, byref(codes), byref(how)))
    return out


def softmax_quantised(x, axis=-1, out=None, *, code_scale=1.0, row_scales=None, amax=None, **form_and_options):
    """The same of `softmax_fused`, whose `scale` is the scores': that of the codes is `code_scale`."""
    view, out = _Arrays(), _like(x, out, dtype="int8")
    codes, form = _codes(view, code_scale, row_scales, amax), _split_form(form_and_options, view)
    how = _options(**form_and_options)
    _check(
        library.sigmax_softmax_quantised(view(x), view(out, True), axis, byref(form), byref(codes), byref(how))
    )
    return out


def warm_up(pinned=None, bytes=0):
    """Allocates, once, what host arrays on CUDA need; or takes `bytes` of the caller's pinned memory at the address."""
    memory = StagingMemory()
    memory.pinned, memory.bytes = pinned, bytes
    _check(library.sigmax_warm_up(byref(memory)))


def cool_down():
    """Frees what `warm_up` allocated."""
    _check(library.sigmax_cool_down())


def set_calibration(cpu_ns_per_element=(), **figures):
    """Lets where="automatic" choose by estimates; the figures are those of the struct sigmax_calibration."""
    calibration = Calibration()
    if len(cpu_ns_per_element) > 0:
        calibration.cpu_ns_per_element = (c_float * len(cpu_ns_per_element))(*cpu_ns_per_element)
        calibration.activations = len(cpu_ns_per_element)
    known = {name for name, _ in Calibration._fields_[3:]}
    for name, value in figures.items():
        if name not in known:
            raise TypeError(f"there is no figure {name!r}")
        setattr(calibration, name, value)
    _check(library.sigmax_set_calibration(byref(calibration)))


def _told(why):
    return {
        "where": _backend_names[why.where],
        "isa": why.isa.decode(),
        "kernel": why.kernel.decode(),
        "accuracy": "fast" if why.accuracy else "high",
        "streaming": bool(why.streaming),
        "tasks": why.tasks,
        "cpu_ns": why.cpu_ns,
        "cuda_ns": why.cuda_ns,
        "reason": why.reason.decode(),
    }


def explain(op, x, out, *parameters, **options):
    """What `activate` would do and why."""
    view, why = _Arrays(), Explanation()
    how = _options(parameters, **options)
    _check(library.sigmax_explain(activation(op), view(x), view(out), byref(how), byref(why)))
    return _told(why)


def explain_gated(op, a, b, out, *parameters, **options):
    """What `activate_gated` would do and why."""
    view, why = _Arrays(), Explanation()
    how = _options(parameters, **options)
    _check(library.sigmax_explain_gated(gate(op), view(a), view(b), view(out), byref(how), byref(why)))
    return _told(why)


def explain_softmax(x, out, axis=-1, **options):
    """What `softmax` would do and why."""
    view, why = _Arrays(), Explanation()
    _check(library.sigmax_explain_softmax(view(x), view(out), axis, byref(_options(**options)), byref(why)))
    return _told(why)


def cpu_isas():
    """The ISA variants of the library, best first."""
    rows = []
    for i in range(library.sigmax_cpu_isa_count()):
        row = IsaInfo()
        _check(library.sigmax_cpu_isa(i, byref(row)))
        rows.append({"name": row.name.decode(), "lanes": row.lanes, "fma": bool(row.fma), "usable": bool(row.usable)})
    return rows


def cuda_available():
    """None, or why the CUDA backend cannot be used."""
    return None if library.sigmax_cuda_available() == 0 else library.sigmax_last_error().decode()
