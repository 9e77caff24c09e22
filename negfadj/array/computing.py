"""The surroundings of a calculation: BLAS threads, and NumPy's floating-point messages.

On small matrices BLAS threads cost more than they bring, so one is used there. A division by zero at a band edge is
found by the residual checks and raised as an error with its energy; NumPy's message about it is kept off the screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np

THREADED_FROM = 256  # rows of a matrix from which threaded BLAS pays


@contextmanager
def computing(largest: int) -> Iterator[None]:
    """Within the block BLAS has one thread, unless matrices have `THREADED_FROM` rows, and NumPy is silent."""
    one_thread = _controller().limit(limits=1, user_api="blas") if largest < THREADED_FROM else nullcontext()
    with one_thread, np.errstate(all="ignore"):
        yield


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
