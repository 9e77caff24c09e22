"""`backend="gpu"` and `backend="cpu"`: move the inputs in once and the result out once, or say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from ..errors import BackendError, InputError
from ..typing import Backend
from .namespace import is_array, to_numpy
from .tree import leaves, tree_map


@dataclass
class Transfers:
    """Arrays and bytes that `move_in` and `move_out` carried between host and GPU."""

    calls_in: int = 0
    calls_out: int = 0
    arrays_in: int = 0
    arrays_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


_counter: ContextVar[Transfers | None] = ContextVar("negfadj_transfers", default=None)


@contextmanager
def counted_transfers() -> Iterator[Transfers]:
    """Within the block, what the inputs' way in and the result's way out carry is counted."""
    counter = Transfers()
    token = _counter.set(counter)
    try:
        yield counter
    finally:
        _counter.reset(token)


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
        return _to_host(tree)
    return _to_gpu(tree)


def move_out(tree: Any, like: Any, backend: Backend) -> Any:
    """The result where the caller's own arrays are: the way back of `move_in`."""
    if backend is None:
        return tree
    own = next((x for x in leaves(like) if is_array(x)), None)
    if own is None or isinstance(own, np.ndarray):
        return _to_host(tree)
    if array_api_compat.is_cupy_array(own):
        return _to_gpu(tree)
    return tree


@contextmanager
def own_stream(like: Any) -> Iterator[None]:
    """Within the block, a GPU's work is queued apart: after all queued before the block, before all queued after it.

    For a thread that does one batch of energies while another thread does the next, so that the leads of one overlap
    the device of the other. Arrays made inside may be used outside after the block. Nothing for arrays of the host.
    """
    if not array_api_compat.is_cupy_array(like):
        yield
        return
    import cupy

    around, own = cupy.cuda.get_current_stream(), cupy.cuda.Stream(non_blocking=True)
    own.wait_event(around.record())
    try:
        with own:
            yield
    finally:
        around.wait_event(own.record())


def _to_host(tree: Any) -> Any:
    found = [x for x in leaves(tree) if is_array(x) and not isinstance(x, np.ndarray)]
    counter = _counter.get()
    if counter is not None and found:
        counter.calls_out += 1
        counter.arrays_out += len(found)
        counter.bytes_out += sum(int(getattr(x, "nbytes", 0)) for x in found)
    return tree_map(lambda x: to_numpy(x) if is_array(x) else x, tree)


def _to_gpu(tree: Any) -> Any:
    cupy = gpu_namespace()
    found = [x for x in leaves(tree) if is_array(x) and not array_api_compat.is_cupy_array(x)]
    counter = _counter.get()
    if counter is not None and found:
        counter.calls_in += 1
        counter.arrays_in += len(found)
        counter.bytes_in += sum(int(getattr(x, "nbytes", 0)) for x in found)
    return tree_map(lambda x: cupy.asarray(x) if is_array(x) else x, tree)
