"""`backend="gpu"` and `backend="cpu"`: move the inputs in once and the result out once, or say what is missing."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ..errors import BackendError, InputError
from ..typing import Backend
from .namespace import is_array, to_numpy
from .tree import leaves, tree_map


def gpu_namespace() -> Any:
    """CuPy, when it is installed and a GPU answers.

    Raises
    ------
    BackendError
        Saying which of the two is missing.
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            f'backend="gpu" needs CuPy, which cannot be imported ({error}); '
            'install the extra: pip install "negfadj[gpu]", '
            'or use backend="cpu".'
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise BackendError(
            f'backend="gpu": CuPy {cupy.__version__} is installed but finds no usable GPU ({error}); '
            'check the driver with nvidia-smi, or use backend="cpu".'
        ) from error
    if count == 0:
        raise BackendError('backend="gpu": the driver reports 0 GPUs; use backend="cpu".')
    return cupy


def check_backend(backend: Backend) -> None:
    """Raise `InputError` unless `backend` is None, "cpu" or "gpu"."""
    if backend not in (None, "cpu", "gpu"):
        raise InputError(f'backend={backend!r} is not known; use None (where the arrays are), "cpu" or "gpu".')


def move_in(tree: Any, backend: Backend) -> Any:
    """The tree with every array on the backend asked for; the same tree for None."""
    check_backend(backend)
    if backend is None:
        return tree
    if backend == "cpu":
        return tree_map(lambda x: to_numpy(x) if is_array(x) else x, tree)
    cupy = gpu_namespace()
    return tree_map(lambda x: cupy.asarray(x) if is_array(x) else x, tree)


def move_out(tree: Any, like: Any, backend: Backend) -> Any:
    """The result where the caller's own arrays are: the way back of `move_in`."""
    if backend is None:
        return tree
    own = next((x for x in leaves(like) if is_array(x)), None)
    if own is None or isinstance(own, np.ndarray):
        return tree_map(lambda x: to_numpy(x) if is_array(x) else x, tree)
    if array_api_compat.is_cupy_array(own):
        return tree_map(lambda x: gpu_namespace().asarray(x) if is_array(x) else x, tree)
    return tree
