"""Speed against every peer: ratios of times taken side by side, on one thread, medians of rounds.

Parts against peers: kwant, sisl, plain (NumPy). Parts against themselves: gradients, dense-gradients, observables,
adnegf, precision, memory, growth, threads. Against the cost model and this machine's products: device, model.
`small` is for a machine that checks every change: see speed_small.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import speed_costs
import speed_device
import speed_gradients
import speed_growth
import speed_kwant
import speed_plain
import speed_precision
import speed_sisl
import speed_small
import speed_threads
from measure import Row

PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "kwant": speed_kwant.rows,
    "sisl": speed_sisl.rows,
    "observables": speed_gradients.observable_rows,
    "gradients": speed_gradients.gradient_rows,
    "dense-gradients": speed_gradients.dense_gradient_rows,
    "device": speed_device.rows,
    "model": speed_costs.rows,
    "adnegf": speed_gradients.adnegf_rows,
    "plain": speed_plain.rows,
    "precision": speed_precision.rows,
    "memory": speed_growth.memory_rows,
    "growth": speed_growth.exponent_rows,
    "threads": speed_threads.rows,
}


def rows(repeats: int, only: list[str] | None = None, small: bool = False, write: bool = False) -> Iterator[Row]:
    """The rows of ``python benchmarks/run.py speed``: all parts, or those named in `only`."""
    if small:
        yield from speed_small.written(repeats) if write else speed_small.rows(repeats)
        return
    for name in only or PARTS:
        yield from PARTS[name](repeats)
