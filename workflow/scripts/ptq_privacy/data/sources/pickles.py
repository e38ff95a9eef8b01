"""Reading CIFAR's pickles without trusting them.

A pickle is a program that may call anything; these need arrays of bytes, lists, strings and
numbers only. Whatever class or function a file names is looked up in a table of stand-ins here, so
nothing outside this module ever runs, not even numpy's own reconstruction.
"""

from __future__ import annotations

import io
import pickle
from math import prod
from typing import Any

import numpy as np


def read(content: bytes, what: str) -> dict[str, Any]:
    """The dictionary of a pickle, with its keys as text and its arrays as uint8 arrays.

    Strings that Python 2 wrote come as bytes.

    Raises:
        ValueError: names `what` if the pickle is damaged, is no dictionary, or asks for more than
            these files need.
    """
    try:
        loaded = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a pickle can be wrong in every way there is
        raise ValueError(f"{what}: not a pickle of plain data ({error})") from None
    if not isinstance(loaded, dict):
        raise ValueError(f"{what}: holds no dictionary")
    return {
        key.decode("latin1") if isinstance(key, bytes) else str(key): (
            value.array if isinstance(value, _Array) else value
        )
        for key, value in loaded.items()
    }


class _Dtype:
    """Stands in for `numpy.dtype`: its letter and size are all that is kept."""

    def __init__(self, code: str | bytes, *flags: object) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code

    def __setstate__(self, state: object) -> None:
        pass  # byte order and fields, of which a byte has none


class _Array:
    """Stands in for `numpy.ndarray`: bytes in, a uint8 array out."""

    array: np.ndarray = np.zeros(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Dtype, bool, bytes]) -> None:
        _, shape, dtype, columns_first, content = state
        if dtype.code not in ("u1", "|u1"):
            raise pickle.UnpicklingError(f"an array of {dtype.code!r}; allowed: bytes, 'u1'")
        if len(content) != prod(shape):
            raise pickle.UnpicklingError(f"an array {shape} of {len(content)} bytes")
        flat = np.frombuffer(content, np.uint8)
        self.array = flat.reshape(shape[::-1]).T if columns_first else flat.reshape(shape)


def _reconstruct(kind: object, shape: object, code: object) -> _Array:
    """Stands in for numpy's function of this name: an array whose state follows."""
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for `_codecs.encode`, with which Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}; allowed: 'latin1'")
    return text.encode("latin1")


STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,  # as numpy 2 calls it
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):
    """In Python, not C, where one wrong number in a file would ask for gigabytes of memory."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return STAND_INS[module, name]
