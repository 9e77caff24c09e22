"""One GPU: T(E) and its gradient for 100 layers at 4096 energies, beside the card's own rate of batched products.

    python benchmarks/gpu.py [--json] [--quick] [--energies 4096]

For n = 16, 64 and 256 orbitals a layer, disordered square wires in double precision, leads included: seconds of T, the
fraction of the measured rate of batched zgemm of size n that its device part reaches, (forward + full gradient) over
forward, what went between host and GPU, and the largest difference from the CPU. Then every kernel against its
reference on the same GPU. Times are from after the inputs' way in is queued to after the GPU is idle. Exit status 2
without a GPU, with what is missing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Row

import negfadj as na
from negfadj.array import KERNELS, counted_transfers, gpu_namespace, is_array, kernels, tree_map
from negfadj.errors import BackendError

N_LAYERS, ETA = 100, 1e-4
SIZES = (16, 64, 256)
BYTES_OF_A_STACK = 2e9  # of matrices, for the rate of batched products


def wire(n: int) -> na.Device:
    """A square wire of width n with on-site disorder between clean leads."""
    rng = np.random.default_rng(0)
    onsite, hopping = -(np.eye(n, k=1) + np.eye(n, k=-1)), -np.eye(n)
    layers = [onsite + np.diag(0.3 * rng.normal(size=n)) for _ in range(N_LAYERS)]
    leads = (na.Lead(onsite, hopping, block=0), na.Lead(onsite, hopping, block=-1))
    return na.Device(na.BlockTridiagonal(layers, [hopping] * (N_LAYERS - 1)), leads)


def seconds(cupy: Any, function: Callable[[], object], repeats: int) -> float:
    """Median of `repeats` runs, each to the end of the GPU's work, after one for kernels and caches."""
    function()
    cupy.cuda.Device().synchronize()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        cupy.cuda.Device().synchronize()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def zgemm_rate(cupy: Any, n: int, repeats: int) -> float:
    """Real operations a second of batched complex products of size n."""
    count = int(min(65_536, max(16, BYTES_OF_A_STACK // (3 * 16 * n * n))))
    rng = cupy.random.default_rng(0)
    a, b = (rng.standard_normal((count, n, n)) + 1j * rng.standard_normal((count, n, n)) for _ in range(2))
    return float(8.0 * n**3 * count / seconds(cupy, lambda: a @ b, repeats))


def device_operations(n: int, n_energies: int) -> float:
    """Real operations of T's sweep: an inverse, 8 n³, a layer; these wires' hoppings gather."""
    return 8.0 * n**3 * N_LAYERS * n_energies


def transmission_rows(cupy: Any, n_energies: int, repeats: int) -> Iterator[Row]:
    """The rows of every size."""
    energies = np.linspace(-1.5, 1.5, n_energies) + 0.013
    weights = np.ones(n_energies)
    for n in SIZES:
        case, device = f"wire {n} x {N_LAYERS} layers, {n_energies} energies, eta = {ETA:g}", wire(n)

        def forward(device: na.Device = device) -> object:
            return na.transmission(device, energies, eta=ETA, backend="gpu")

        def gradient(device: na.Device = device) -> object:
            return na.transmission_vjp(device, energies, eta=ETA, backend="gpu")[1](weights)

        time_forward = seconds(cupy, forward, repeats)
        yield Row(f"{case}: T", time_forward, "s")

        def device_part(device: na.Device = device) -> object:
            return na.transmission(without_leads(device), energies, backend="gpu")

        time_device = seconds(cupy, device_part, repeats)
        rate = zgemm_rate(cupy, n, repeats)
        yield Row(f"batched zgemm of size {n}", rate / 1e9, "GFLOP/s")
        fraction = device_operations(n, n_energies) / time_device / rate
        bar = 0.4 if n >= 64 else None
        yield Row(f"{case}: device part, fraction of zgemm", fraction, "ratio", bar, at_least=True)
        ratio = seconds(cupy, gradient, repeats) / time_forward
        yield Row(f"{case}: (forward + full gradient) / forward", ratio, "ratio", 2.0)
        with counted_transfers() as count:
            forward()
        yield Row(f"{case}: ways in", count.calls_in, "", 1)
        yield Row(f"{case}: ways out", count.calls_out, "", 1)
        few = energies[:: max(1, n_energies // 32)]
        on_cpu = na.transmission(device, few, eta=ETA)
        on_gpu = na.transmission(device, few, eta=ETA, backend="gpu")
        yield Row(f"{case}: largest |T - CPU's T| / T", float(np.abs(on_gpu - on_cpu).max() / on_cpu.max()), "", 1e-10)


def without_leads(device: na.Device) -> na.Device:
    """The same device between absorbing leads whose self-energies are given: only the device part is work."""
    n = device.hamiltonian.block_sizes[0]
    sigma = np.broadcast_to(-0.5j * np.eye(n), (1, n, n)).copy()
    return na.Device(device.hamiltonian, (na.SelfEnergy(sigma, block=0), na.SelfEnergy(sigma, block=-1)))


def kernel_rows(cupy: Any, repeats: int) -> Iterator[Row]:
    """Time of the reference over that of the kernel, both on the GPU."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    import cuda_cases

    for n in (8, 16, 32, 64):
        seen = set()
        for case in cuda_cases.cases("D", n):
            if case.kernel in seen:
                continue
            seen.add(case.kernel)
            arguments = tree_map(lambda x: cupy.asarray(_many(x)) if is_array(x) else x, case.arguments)
            kernel = KERNELS[case.kernel]
            run = kernels._load(kernel.cuda)
            fast = seconds(cupy, partial(run, *arguments), repeats)
            with na.use_kernels("reference"):
                slow = seconds(cupy, partial(kernel.reference, *arguments), repeats)
            yield Row(f"{case.kernel}, {case.label}, n = {n}: reference / kernel", slow / fast, "ratio")
            yield Row(f"{case.kernel}, {case.label}, n = {n}", fast * 1e3, "ms")


def _many(x: np.ndarray) -> np.ndarray:
    """A stack of three energies, repeated to 3072; anything else as it is."""
    return np.tile(x, (1024,) + (1,) * (x.ndim - 1)) if x.ndim >= 1 and x.shape[0] == 3 else x


def card(cupy: Any) -> str:
    """The card, its driver and the versions, for the head of a table."""
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    return (
        f"{properties['name'].decode()}, driver API {cupy.cuda.runtime.driverGetVersion()}, "
        f"CUDA runtime {cupy.cuda.runtime.runtimeGetVersion()}, CuPy {cupy.__version__}, NumPy {np.__version__}, "
        f"negfadj {na.__version__}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="three repeats in place of seven")
    parser.add_argument("--energies", type=int, default=4096)
    arguments = parser.parse_args()
    try:
        cupy = gpu_namespace()
    except BackendError as error:
        print(f"nothing measured: {error}", file=sys.stderr)
        return 2
    print(card(cupy), file=sys.stderr)
    repeats, passed = 3 if arguments.quick else 7, True
    for rows in (transmission_rows(cupy, arguments.energies, repeats), kernel_rows(cupy, repeats)):
        for row in rows:
            passed &= row.passed
            print(json.dumps(row.as_json()) if arguments.json else row.as_text(), flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
