"""T(E) of wires and ribbons beside `kwant.smatrix`, leads included, on one thread.

Kwant lives in an environment of its own, made by `.ci/kwant_environment` in .venv-kwant: this file run there is a
server that builds the same system from its blocks, and times scattering matrices when asked to. It waits while the
other side is timed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WIRES = {8: 150, 16: 50, 32: 25, 64: 12, 128: 6}
RIBBONS = {16: 30, 48: 15}
SAME = 1e-8  # bar on |ΔT|
SECONDS = 1.5  # a round of Kwant's, as many of the energies as fit


def rows(repeats: int) -> Iterator[Any]:
    """Kwant's time over ours per energy, the largest difference of T, and both times."""
    from measure import Row, unless_it_fails
    from speed_systems import RIBBON_CELLS, RIBBON_ENERGIES, WIRE_ENERGIES, WIRE_LAYERS, ribbon, wire

    folder = ROOT / ".venv-kwant"
    made = subprocess.run([ROOT / ".ci" / "kwant_environment", folder], stderr=subprocess.PIPE, text=True)
    if made.returncode != 0:
        print(made.stderr.strip(), file=sys.stderr)
        yield Row("Kwant: its environment cannot be made; what is measured against it", float("nan"), "", 0.0)
        return
    cases: list[tuple[str, Any, np.ndarray, int]] = [
        *((f"square wire W = {n}, L = {WIRE_LAYERS}", wire(n), WIRE_ENERGIES, bar) for n, bar in WIRES.items()),
        *(
            (f"armchair ribbon, {RIBBON_CELLS} cells of {n} atoms", ribbon(n), RIBBON_ENERGIES, bar)
            for n, bar in RIBBONS.items()
        ),
    ]
    python = folder / "bin" / "python"
    for name, device, energies, bar in cases:
        label = f"T, {name}, {len(energies)} energies, eta = 0"
        yield from unless_it_fails(label, _rows(label, python, device, energies, bar, repeats))


def _rows(label: str, python: Path, device: Any, energies: np.ndarray, bar: float, repeats: int) -> Iterator[Any]:
    from measure import Row, median_ratio, rounds, timer

    import negfadj as na

    value = na.transmission(device, energies)
    with KwantServer(python, device, energies) as kwant:
        found = rounds({"Kwant": kwant.seconds, "ours": timer(lambda: na.transmission(device, energies))}, repeats)
    deviation = float(np.abs(value[kwant.chosen] - kwant.transmissions).max())
    speed = len(energies) * median_ratio(found["Kwant"], found["ours"])
    yield Row(f"{label}: Kwant's time / ours", speed, "ratio", bar, at_least=True)
    yield Row(f"  largest |ΔT| at {len(kwant.chosen)} of them", deviation, "", SAME)
    yield Row(f"  Kwant {kwant.version}, ms an energy", 1e3 * statistics.median(found["Kwant"]), "ms")
    yield Row("  ours, ms an energy", 1e3 * statistics.median(found["ours"]) / len(energies), "ms")


class KwantServer:
    """Kwant in its own environment, with one system built; `seconds` is a timer of one energy's scattering matrix."""

    def __init__(self, python: Path, device: Any, energies: np.ndarray) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        path = Path(self._scratch.name) / "system.npz"
        left, right = device.leads
        np.savez(
            path,
            diagonal=np.stack(device.hamiltonian.diagonal),
            upper=np.stack(device.hamiltonian.upper),
            left_onsite=left.onsite,
            left_hopping=left.hopping,
            right_onsite=right.onsite,
            right_hopping=right.hopping,
            energies=energies,
        )
        self._process = subprocess.Popen(
            [python, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version: str = self._answer()["version"]
        seconds = self._ask(slice(None, None, len(energies) // 2))["seconds"] / 2  # the first ones, to choose how many
        step = max(1, int(np.ceil(len(energies) * seconds / SECONDS)))
        self._chosen = slice(step // 2, None, step)
        self.chosen = np.arange(len(energies))[self._chosen]
        self.transmissions = np.zeros(0)

    def __enter__(self) -> KwantServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._scratch.cleanup()

    def seconds(self) -> float:
        """Seconds an energy of one round."""
        answer = self._ask(self._chosen)
        self.transmissions = np.array(answer["transmissions"])
        return float(answer["seconds"]) / len(self.chosen)

    def _ask(self, chosen: slice) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([chosen.start, chosen.stop, chosen.step]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def build(kwant: Any, blocks: dict[str, np.ndarray]) -> Any:
    """The finalised system: orbital a of layer i is the site (i, a)."""
    lattice = kwant.lattice.square(a=1, norbs=1)
    builder = kwant.Builder()

    def fill(builder: Any, layer: int, onsite: np.ndarray) -> None:
        for a in range(len(onsite)):
            builder[lattice(layer, a)] = onsite[a, a]
        for a, b in np.argwhere(np.triu(onsite, 1)):
            builder[lattice(layer, a), lattice(layer, b)] = onsite[a, b]

    def join(builder: Any, layer: int, other: int, hopping: np.ndarray) -> None:
        for a, b in np.argwhere(hopping):
            builder[lattice(layer, a), lattice(other, b)] = hopping[a, b]

    for i, onsite in enumerate(blocks["diagonal"]):
        fill(builder, i, onsite)
    for i, upper in enumerate(blocks["upper"]):
        join(builder, i, i + 1, upper)
    for side, step in (("left", -1), ("right", 1)):
        lead = kwant.Builder(kwant.TranslationalSymmetry((step, 0)))
        fill(lead, 0, blocks[f"{side}_onsite"])
        join(lead, 0, step, blocks[f"{side}_hopping"])  # from a cell to the next one deeper in the lead
        builder.attach_lead(lead)
    return builder.finalized()


def serve(path: str, write: Callable[[dict[str, Any]], None]) -> None:
    """Answer every line [start, stop, step] of standard input with the time and T of those energies."""
    import kwant

    with np.load(path) as file:
        blocks = dict(file)
    system = build(kwant, blocks)
    solver = getattr(kwant.smatrix, "__self__", None)
    write({"version": f"{kwant.__version__} ({type(solver).__module__.rsplit('.', 1)[-1]})"})
    for line in sys.stdin:
        energies = blocks["energies"][slice(*json.loads(line))]
        start = time.perf_counter()
        found = [float(kwant.smatrix(system, energy).transmission(1, 0)) for energy in energies]
        write({"seconds": time.perf_counter() - start, "transmissions": found})


if __name__ == "__main__":
    serve(sys.argv[1], lambda answer: print(json.dumps(answer), flush=True))
