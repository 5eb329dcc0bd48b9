"""Views of other people's arrays, without a copy: through __array_interface__ (NumPy and what imitates it),
__cuda_array_interface__ (CuPy, and PyTorch on CUDA) or DLPack."""

import ctypes

from ._library import View

# What __array_interface__ calls a type, and what DLPack does: (code, bits).
_item_bytes = [4, 2, 2, 1, 4, 8, 1, 1, 1]
_typestr = {"<f4": 0, "<f2": 1, "|b1": 3, "<i4": 4, "<i8": 5, "|i1": 8}
_dlpack_types = {(2, 32): 0, (2, 16): 1, (4, 16): 2, (6, 8): 3}
_dlpack_types |= {(0, 32): 4, (0, 64): 5, (10, 8): 6, (12, 8): 7, (0, 8): 8}
_dlpack_devices = {1: 0, 3: 0, 2: 1, 13: 2}


class _DLTensor(ctypes.Structure):
    """As DLPack defines it; https://dmlc.github.io/dlpack/latest/c_api.html"""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _dense(shape):
    strides, step = [], 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step *= extent
    return strides


def _fill(view, shape, strides):
    if len(shape) > 8:
        raise ValueError(f"rank {len(shape)} is larger than 8")
    view.rank = len(shape)
    view.shape[: len(shape)] = shape
    view.strides[: len(shape)] = strides


def _from_interface(interface, writable, where=0):
    view = View()
    view.where = where
    typestr = interface["typestr"]
    if typestr not in _typestr:
        raise TypeError(f"{typestr}: sigmax has f32, f16, bool, i8, i32 and i64 here, and bf16 and f8 through DLPack")
    view.type = _typestr[typestr]
    if interface.get("data") is None:
        raise TypeError("an array that does not tell where its data is")
    view.data, read_only = interface["data"]
    if writable and read_only:
        raise ValueError("an output that is read-only")
    shape, strides = interface["shape"], interface.get("strides")
    if strides is None:
        strides = _dense(shape)
    else:
        size = _item_bytes[view.type]
        if any(step % size for step in strides):
            raise ValueError("strides that are no multiple of an element")
        strides = [step // size for step in strides]
    _fill(view, shape, strides)
    return view, None


def _from_dlpack(array):
    capsule = array.__dlpack__()  # kept by the caller: its destructor gives the tensor back
    tensor = _DLTensor.from_address(_capsule_pointer(capsule, b"dltensor"))
    view = View()
    if (tensor.code, tensor.bits) not in _dlpack_types or tensor.lanes != 1:
        raise TypeError(f"a tensor of DLPack type ({tensor.code}, {tensor.bits}): sigmax has no such")
    if tensor.device_type not in _dlpack_devices:
        raise TypeError(f"a tensor on DLPack device {tensor.device_type}: sigmax has the CPU and CUDA")
    view.type = _dlpack_types[tensor.code, tensor.bits]
    view.where = _dlpack_devices[tensor.device_type]
    shape = tensor.shape[: tensor.ndim] if tensor.ndim else []
    strides = tensor.strides[: tensor.ndim] if tensor.ndim and tensor.strides else _dense(shape)
    view.data = (tensor.data or 0) + tensor.byte_offset
    _fill(view, shape, strides)
    return view, capsule


def view_of(array, writable=False):
    """A View and what must live as long as it; `array` must, too. On CUDA the caller orders the streams."""
    on_cuda = getattr(array, "__cuda_array_interface__", None)
    if on_cuda is not None and on_cuda["typestr"] in _typestr:
        return _from_interface(on_cuda, writable, where=1)
    interface = getattr(array, "__array_interface__", None)
    if interface is not None and interface["typestr"] in _typestr:
        return _from_interface(interface, writable)
    if hasattr(array, "__dlpack__"):
        return _from_dlpack(array)
    if interface is not None:
        return _from_interface(interface, writable)
    raise TypeError(f"{type(array).__name__} has no __array_interface__, __cuda_array_interface__ or __dlpack__")
