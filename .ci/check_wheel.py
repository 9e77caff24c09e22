"""Run against the installed wheel, from outside the tree: it imports, is whole, and gives T = 1 for a perfect chain."""

import importlib.resources
from pathlib import Path

import numpy as np

import negfadj as na
import negfadj._kernels

tree = Path(__file__).resolve().parents[1]
installed = Path(na.__file__).resolve()
assert tree not in installed.parents, f"imported {installed} from the tree, not from the wheel"
for folder, package in (("negfadj", na), ("kernels", negfadj._kernels)):
    for path in (tree / folder).rglob("*"):
        name = path.relative_to(tree / folder).as_posix()
        if path.is_file() and "__pycache__" not in path.parts:  # Python's and numba's caches
            assert importlib.resources.files(package).joinpath(name).is_file(), f"{folder}/{name} is not in the wheel"

onsite, hopping = np.zeros((1, 1)), -np.ones((1, 1))
device = na.Device(
    na.BlockTridiagonal([onsite] * 5, [hopping] * 4),
    leads=(na.Lead(onsite=onsite, hopping=hopping, block=0), na.Lead(onsite=onsite, hopping=hopping, block=-1)),
)
inside, outside = na.transmission(device, np.array([-1.3, 0.2, 1.9])), na.transmission(device, np.array([-2.5, 2.5]))
assert np.allclose(inside, 1, rtol=0, atol=1e-10), f"T of a perfect chain within its band is {inside}, not 1"
assert np.allclose(outside, 0, rtol=0, atol=1e-10), f"T of a perfect chain outside its band is {outside}, not 0"
print(f"negfadj {na.__version__} from the wheel: T of a perfect chain is 1 within its band and 0 outside")
