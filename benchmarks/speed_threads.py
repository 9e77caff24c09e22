"""Two threads over one, and what two cores of this machine are worth at this moment.

Both sides are processes of their own that run this file and take turns: NumPy, numba and BLAS read the number of
threads when they start, and `use_threads` shares the energies. The calibration starts the same one-thread job in two
processes at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

SIZES = (16, 64, 256)
BAR, FREE = 1.7, 1.85  # below FREE in the calibration two cores are not at hand, and the ratio says nothing
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def rows(repeats: int) -> Iterator[Any]:
    """Per block size: two processes' throughput over one's, and two threads' over one's."""
    from measure import Row, median_ratio

    for n in SIZES:
        found: dict[str, list[float]] = {"one": [], "two threads": [], "two processes": []}
        with _Worker(n, 1) as one, _Worker(n, 1) as other, _Worker(n, 2) as threaded:
            for number in range(repeats + 1):
                one.start()
                alone = one.seconds()
                threaded.start()
                both_threads = threaded.seconds()
                start = time.perf_counter()
                one.start()
                other.start()
                one.seconds(), other.seconds()
                together = time.perf_counter() - start
                if number:
                    found["one"].append(alone)
                    found["two threads"].append(both_threads)
                    found["two processes"].append(together / 2)
        free = median_ratio(found["one"], found["two processes"])
        label = f"T, dense real n = {n}"
        yield Row(f"{label}: throughput of two processes / one (calibration)", free, "ratio")
        gain = median_ratio(found["one"], found["two threads"])
        yield Row("  two threads / one", gain, "ratio", BAR if free >= FREE else None, True)


class _Worker:
    """A process with so many threads that does the job of size n when told to."""

    def __init__(self, n: int, threads: int) -> None:
        environment = {**os.environ, **dict.fromkeys(VARIABLES, str(threads))}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__, str(n)], **pipes, text=True, env=environment)
        self.seconds()  # ready: compiled and warm

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()

    def start(self) -> None:
        """Do the job once."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def seconds(self) -> float:
        """Wait for its end: the seconds it took."""
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


def _serve(n: int) -> None:
    from speed_systems import dense

    import negfadj as na

    energies = np.linspace(-1.5, 1.5, {16: 400, 64: 40, 256: 2}[n]) + 0.013
    device = dense(n, 50 if n < 256 else 20)
    with na.use_threads(int(os.environ["NUMBA_NUM_THREADS"])):
        na.transmission(device, energies, eta=1e-3)
        print(0.0, flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            na.transmission(device, energies, eta=1e-3)
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
