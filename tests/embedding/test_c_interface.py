"""The C library: built by its command, called from C, Fortran and this process, beside the same calls in Python."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import negfadj as na
from negfadj.embedding.build_c_library import build_c_library, main, python_link_flags
from negfadj.embedding.c_interface_calls import FREEING, connect, described, header_digest
from negfadj.embedding.c_interface_data import flattened, matrices
from negfadj.embedding.c_interface_functions import FUNCTIONS
from negfadj.embedding.c_interface_prototypes import constants, prototypes

pytest.importorskip("cffi", reason="the C library is built with cffi")
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
C_EXAMPLE = ROOT / "examples" / "c" / "transmission.c"
FORTRAN_EXAMPLE = ROOT / "examples" / "fortran" / "ascent.f90"
CC = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
FC = os.environ.get("FC") or shutil.which("gfortran")
CODES = constants()
EXACT = 1e-14  # both sides run the same NumPy calls on the same numbers; what is left is the width of a batch
CTYPES = {"negfadj_complex": ctypes.c_void_p, "double": ctypes.c_double, "int": ctypes.c_int, "int64_t": ctypes.c_int64}

pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler is found")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the command has put the library."""
    found = tmp_path_factory.mktemp("c library")
    command = [sys.executable, "-m", "negfadj.embedding.build_c_library", "--output", str(found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.split("\n")[:-1]] == [
        "libnegfadj.so",
        "negfadj.h",
        "negfadj.f90",
        "negfadj.pc",
    ]
    return found


def compiled(folder: Path, source: Path, *flags: str) -> Path:
    program = folder / source.stem
    link = [f"-I{folder}", f"-L{folder}", "-lnegfadj", f"-Wl,-rpath,{folder}"]
    command = [str(CC), "-std=gnu11", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program), *link, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def output_of(*command: str | Path, **environment: str) -> list[str]:
    """What a program prints when it is run from a plain shell; it ends well and leaves stderr alone."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def errors(folder: Path) -> dict[str, list[str]]:
    """label → (code, message) of the calls of c_errors.c."""
    lines = [line.split("|", 2) for line in output_of(compiled(folder, HERE / "c_errors.c", "-lm"))]
    return {label: rest for label, *rest in lines}


class Library:
    """libnegfadj.so in this very process: every function by its name, arrays in place of lengths and pointers."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        self._library.negfadj_version.restype = ctypes.c_char_p
        self._prototypes = {prototype.name: prototype for prototype in prototypes()}

    def version(self) -> str:
        return self._library.negfadj_version().decode()

    def code(self, name: str, *given: Any) -> int:
        """The error code of a call; `given` has a value for every C parameter but the lengths."""
        values = iter(given)
        arguments: list[Any] = []
        length_at = 0
        for parameter in self._prototypes[name].parameters:
            if parameter.is_length:
                length_at = len(arguments)
                arguments.append(ctypes.c_int64(0))
                continue
            value = next(values)
            if parameter.is_array:
                if value is not None:
                    assert value.flags.c_contiguous
                    arguments[length_at] = ctypes.c_int64(value.size)
                arguments.append(ctypes.c_void_p(None if value is None else value.ctypes.data))
            elif parameter.is_output:
                arguments.append(ctypes.byref(value))
            elif parameter.is_handle:
                arguments.append(value)
            else:
                arguments.append(CTYPES[parameter.type](value))
        return int(getattr(self._library, name)(*arguments))

    def __call__(self, name: str, *given: Any) -> None:
        code = self.code(name, *given)
        assert code == 0, f"{code}: {self.message()}"

    def message(self) -> str:
        buffer = ctypes.create_string_buffer(4096)
        self._library.negfadj_last_error(buffer, ctypes.c_size_t(4096))
        return buffer.value.decode()


@pytest.fixture(scope="module")
def library(folder: Path) -> Library:
    return Library(folder / "libnegfadj.so")


def hermitian(rng: np.random.Generator, n: int, scale: float = 1.0) -> np.ndarray:
    x = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return scale * (x + x.conj().T) / 2


def rectangular(rng: np.random.Generator, n: int, m: int, scale: float = 1.0) -> np.ndarray:
    return scale * (rng.standard_normal((n, m)) + 1j * rng.standard_normal((n, m)))


def make_device() -> na.Device:
    """Blocks of unequal sizes, complex, with overlap everywhere, three leads, one of them shifted."""
    rng = np.random.default_rng(3)
    sizes = (2, 3, 2)
    h = na.BlockTridiagonal(
        [hermitian(rng, n) for n in sizes], [rectangular(rng, n, m) for n, m in zip(sizes, sizes[1:])]
    )
    s = na.BlockTridiagonal(
        [np.eye(n) + hermitian(rng, n, 0.05) for n in sizes],
        [rectangular(rng, n, m, 0.04) for n, m in zip(sizes, sizes[1:])],
    )
    leads = tuple(
        na.Lead(
            onsite=hermitian(rng, 2),
            hopping=rectangular(rng, 2, 2, 1.2),
            coupling=rectangular(rng, sizes[block], 2),
            block=block,
            overlap_onsite=np.eye(2) + hermitian(rng, 2, 0.04),
            overlap_hopping=rectangular(rng, 2, 2, 0.03),
            overlap_coupling=rectangular(rng, sizes[block], 2, 0.03),
            potential_energy=shift,
        )
        for block, shift in ((0, 0.0), (2, 0.13), (1, -0.2))
    )
    return na.Device(h, leads, s)


def to_c(library: Library, device: na.Device, order: str) -> ctypes.c_void_p:
    """The same device behind a handle."""
    h, s, handle, number = device.hamiltonian, device.overlap, ctypes.c_void_p(), ctypes.c_int()

    def flat(*blocks: Any) -> np.ndarray:
        return np.concatenate([np.asarray(x, complex).ravel(order=order) for x in blocks])

    layout = CODES["NEGFADJ_ROW_MAJOR" if order == "C" else "NEGFADJ_COLUMN_MAJOR"]
    sizes = np.array(h.block_sizes, np.int32)
    library("negfadj_device_create", sizes, layout, flat(*h.diagonal), flat(*h.upper), handle)
    if s is not None:
        library("negfadj_device_set_overlap", handle, flat(*s.diagonal), flat(*s.upper))
    for k, lead in enumerate(device.leads):
        blocks = [flat(x) for x in (lead.onsite, lead.hopping, lead.coupling)]
        shift = lead.potential_energy
        library("negfadj_device_add_lead", handle, lead.block, lead.n_orbitals, *blocks, shift, number)
        assert number.value == k
        if lead.overlap_onsite is not None:
            overlaps = (lead.overlap_onsite, lead.overlap_hopping, lead.overlap_coupling)
            library("negfadj_device_set_lead_overlap", handle, k, *(flat(x) for x in overlaps))
    return handle


PARTS = ("onsite", "hopping", "coupling", "overlap_onsite", "overlap_hopping", "overlap_coupling")
ENERGIES = np.array([-0.8, 0.15, 0.9])
BIASES = np.array([0.05, 0.2])
CALLS: dict[str, tuple[tuple[Any, ...], Any, tuple[Any, ...], dict[str, Any]]] = {
    "transmission": ((0, 1, ENERGIES), na.transmission_vjp, (ENERGIES,), {"source": 0, "drain": 1}),
    "local_density_of_states": ((ENERGIES,), na.local_density_of_states_vjp, (ENERGIES,), {}),
    "bond_current": ((2, ENERGIES), na.bond_current_vjp, (ENERGIES,), {"source": 2}),
    "current": (
        (1, 2, 300.0, 0.1, BIASES),
        na.current_vjp,
        (BIASES,),
        {"source": 1, "drain": 2, "temperature": 300.0, "fermi_energy": 0.1},
    ),
}


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT * np.max(np.abs(expected)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", CALLS)
def test_value_and_every_gradient_are_those_of_python(library: Library, name: str, order: str) -> None:
    in_c, twin, arguments, options = CALLS[name]
    device, eta = make_device(), {"eta": 1e-2, "device_eta": 2e-3}
    value, pullback = twin(device, *arguments, **options, **eta)
    value_bar = np.random.default_rng(5).standard_normal(value.shape)
    bar = pullback(value_bar)

    handle, result = to_c(library, device, order), ctypes.c_void_p()
    library("negfadj_device_set_broadening", handle, *eta.values())
    found, alone = np.zeros(value.size), np.zeros(value.size)
    library(f"negfadj_{name}", handle, *in_c, alone)
    library(f"negfadj_{name}_vjp", handle, *in_c, found, result)
    close(found.reshape(value.shape, order=order), value)
    close(alone, found)
    library("negfadj_device_free", handle)  # the result lives on

    def read(call: str, *shapes: tuple[int, ...], first: tuple[Any, ...] = (), scalars: tuple[Any, ...] = ()) -> list:
        outs = [np.zeros(sum(np.prod(s) for s in group), complex) for group in shapes]
        library(call, result, *first, *outs, *scalars)
        return [m for out, group in zip(outs, shapes) for m in matrices(out, group, order, "")]

    library("negfadj_pullback", result, np.ravel(value_bar, order=order).copy())
    sizes = device.hamiltonian.block_sizes
    squares, uppers = [(n, n) for n in sizes], list(zip(sizes, sizes[1:]))
    for call, of in (("negfadj_gradient_blocks", "hamiltonian"), ("negfadj_gradient_overlap", "overlap")):
        expected = getattr(bar.device, of)
        for x, y in zip(read(call, squares, uppers), [*expected.diagonal, *expected.upper], strict=True):
            close(x, y)
    for k, lead in enumerate(device.leads):
        shapes = [[(2, 2)], [(2, 2)], [lead.coupled_shape]]
        of_lead, shift = bar.device.leads[k], ctypes.c_double()
        blocks = read("negfadj_gradient_lead", *shapes, first=(k,), scalars=(shift,))
        overlaps = read("negfadj_gradient_lead_overlap", *shapes, first=(k,))
        for x, part in zip(blocks + overlaps, PARTS, strict=True):
            close(x, getattr(of_lead, part))
        close(np.array(shift.value), np.array(of_lead.potential_energy))

    if name == "current":
        by_bias, by_temperature = np.zeros(len(BIASES)), ctypes.c_double()
        library("negfadj_gradient_bias", result, by_bias, by_temperature)
        close(by_bias, bar.bias)
        close(np.array(by_temperature.value), bar.temperature)
        assert library.code("negfadj_gradient_energies", result, by_bias) == CODES["NEGFADJ_ERROR_INPUT"]
    else:
        by_energy = np.zeros(len(ENERGIES))
        library("negfadj_gradient_energies", result, by_energy)
        close(by_energy, bar.energies)
    onsite = np.zeros(device.n_orbitals)
    library("negfadj_pullback_onsite", result, np.ravel(value_bar, order=order).copy(), onsite)
    close(onsite, pullback(value_bar, wrt="onsite").device.hamiltonian.onsite)
    library("negfadj_result_free", result)


@pytest.mark.parametrize("order", ["C", "F"])
def test_bonds_are_those_of_python(library: Library, order: str) -> None:
    device, n_bonds = make_device(), ctypes.c_int64()
    handle = to_c(library, device, order)
    library("negfadj_device_count_bonds", handle, n_bonds)
    bonds = np.zeros(2 * n_bonds.value, np.int64)
    library("negfadj_device_bonds", handle, bonds)
    np.testing.assert_array_equal(bonds.reshape((-1, 2), order=order), device.bonds)


def transmission_of(library: Library, handle: ctypes.c_void_p) -> np.ndarray:
    values = np.zeros(len(ENERGIES))
    library("negfadj_transmission", handle, 0, 1, ENERGIES, values)
    return values


def test_blocks_set_again_give_the_new_device(library: Library) -> None:
    device = make_device()
    handle = to_c(library, device, "C")
    h = device.hamiltonian
    moved = na.BlockTridiagonal([1.1 * x for x in h.diagonal], [0.9 * x for x in h.upper])
    library("negfadj_device_set_blocks", handle, flattened(moved.diagonal, "C"), None)
    close(
        transmission_of(library, handle),
        na.transmission(replace(device, hamiltonian=na.BlockTridiagonal(moved.diagonal, h.upper)), ENERGIES),
    )
    library("negfadj_device_set_blocks", handle, None, flattened(moved.upper, "C"))
    close(transmission_of(library, handle), na.transmission(replace(device, hamiltonian=moved), ENERGIES))


def test_a_lead_set_again_keeps_what_is_null(library: Library) -> None:
    device = make_device()
    handle = to_c(library, device, "F")
    other = replace(device.leads[1], hopping=1.3 * device.leads[1].hopping, potential_energy=0.4)
    library("negfadj_device_set_lead", handle, 1, None, flattened([other.hopping], "F"), None, 0.4)
    leads = (device.leads[0], other, device.leads[2])
    close(transmission_of(library, handle), na.transmission(replace(device, leads=leads), ENERGIES))


def test_a_result_stays_with_the_device_it_is_of(library: Library) -> None:
    device, result = make_device(), ctypes.c_void_p()
    handle, value_bar = to_c(library, device, "C"), np.ones(len(ENERGIES))
    library("negfadj_transmission_vjp", handle, 0, 1, ENERGIES, np.zeros(len(ENERGIES)), result)
    before, after = np.zeros(device.n_orbitals), np.zeros(device.n_orbitals)
    library("negfadj_pullback_onsite", result, value_bar, before)
    library("negfadj_device_set_blocks", handle, 2 * flattened(device.hamiltonian.diagonal, "C"), None)
    library("negfadj_pullback_onsite", result, value_bar, after)
    np.testing.assert_array_equal(after, before)


def test_arrays_handed_in_are_copied(library: Library) -> None:
    device, handle = make_device(), ctypes.c_void_p()
    blocks = [flattened(x, "C") for x in (device.hamiltonian.diagonal, device.hamiltonian.upper)]
    library("negfadj_device_create", np.array([2, 3, 2], np.int32), 0, *blocks, handle)
    for lead in device.leads[:2]:
        parts = [lead.onsite.copy(), lead.hopping.copy(), lead.coupling.copy()]
        library("negfadj_device_add_lead", handle, lead.block, 2, *parts, 0.0, ctypes.c_int())
        for part in parts:
            part[...] = np.nan
    for block in blocks:
        block[...] = np.nan
    plain = tuple(
        na.Lead(onsite=x.onsite, hopping=x.hopping, coupling=x.coupling, block=x.block) for x in device.leads[:2]
    )
    close(transmission_of(library, handle), na.transmission(na.Device(device.hamiltonian, plain), ENERGIES))


def test_version_is_that_of_the_package(library: Library) -> None:
    assert library.version() == na.__version__


def test_c_example_agrees_with_python(folder: Path) -> None:
    lines = output_of(compiled(folder, C_EXAMPLE, "-lm"))
    energies, transmission, by_energy = np.array([[float(x) for x in line.split()] for line in lines[1:6]]).T
    between = 0.3j * np.array([[0, 1], [-1, 0]])
    diagonal = [between + np.eye(2) * (0.8 if i in (2, 3) else 0.1) for i in range(6)]
    leads = [na.Lead(onsite=np.zeros((2, 2)), hopping=-np.eye(2), block=block) for block in (0, -1)]
    device = na.Device(na.BlockTridiagonal(diagonal, [-np.eye(2) + 0j] * 5), leads)
    value, pullback = na.transmission_vjp(device, energies)
    bar = pullback(np.ones(5))
    close(transmission, value)
    close(by_energy, bar.energies)
    by_barrier = sum(np.trace(bar.device.hamiltonian.diagonal[i]).real for i in (2, 3))
    printed = re.match(r"d\(sum T\)/d\(barrier\) = (\S+), by a difference (\S+)", lines[6])
    assert printed is not None
    np.testing.assert_allclose(float(printed[1]), by_barrier, rtol=EXACT)
    np.testing.assert_allclose(float(printed[2]), by_barrier, rtol=1e-8)


@pytest.mark.skipif(FC is None, reason="no Fortran compiler is found")
def test_fortran_example_agrees_with_python(folder: Path) -> None:
    command = [str(FC), "-std=f2018", "-Wall", "-Werror", "-J", str(folder), str(folder / "negfadj.f90")]
    link = [str(FORTRAN_EXAMPLE), "-o", str(folder / "ascent"), f"-L{folder}", "-lnegfadj", f"-Wl,-rpath,{folder}"]
    done = subprocess.run([*command, *link], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = output_of(folder / "ascent")
    printed = np.array([float(line.split()[1]) for line in lines[1:14]])

    energies, onsite = -0.6 + 0.15 * np.arange(9), np.array([0.9, -0.4, 0.3, 0.7, -0.8, 0.2, 0.5, -0.6, -0.1, 0.8])
    cell = 0.3j * np.array([[0, -1], [1, 0]])  # columns first in the program
    leads = [na.Lead(onsite=cell, hopping=-np.eye(2), block=block) for block in (0, -1)]
    expected = []
    for _ in range(13):
        diagonal = [cell + np.diag(onsite[2 * i : 2 * i + 2]) for i in range(5)]
        device = na.Device(na.BlockTridiagonal(diagonal, [-np.eye(2) + 0j] * 4), leads)
        value, pullback = na.transmission_vjp(device, energies)
        expected.append(np.mean(value))
        onsite = onsite + 0.5 * pullback(np.full(9, 1 / 9), wrt="onsite").device.hamiltonian.onsite
    np.testing.assert_allclose(printed[0], expected[0], rtol=EXACT)
    np.testing.assert_allclose(printed, expected, rtol=13 * EXACT)  # the steps carry rounding on
    assert expected[-1] > 1.9 > 1.4 > expected[0]
    by_h, by_difference = re.findall(r"-?\d+\.\d+", lines[14])
    last_bar = pullback(np.full(9, 1 / 9)).device.hamiltonian.diagonal[2][0, 1].imag
    np.testing.assert_allclose(float(by_h), 2 * last_bar, atol=1e-13)
    np.testing.assert_allclose(float(by_difference), 2 * last_bar, atol=1e-8)


@pytest.mark.parametrize(
    ("label", "code", "named"),
    [
        ("sizes NULL", "INPUT", ["block_sizes is NULL"]),
        ("no sizes", "SHAPE", ["block_sizes_length = 0"]),
        ("size 0", "INPUT", ["block_sizes[1] = 0"]),
        ("layout", "INPUT", ["layout = 5", "NEGFADJ_ROW_MAJOR"]),
        ("diagonal NULL", "INPUT", ["diagonal is NULL"]),
        ("diagonal length", "SHAPE", ["diagonal_length = 4", "5 entries"]),
        ("negative length", "SHAPE", ["diagonal_length = -5"]),
        ("upper NULL", "INPUT", ["upper is NULL", "1 upper blocks"]),
        ("NaN", "INPUT", ["diagonal[3] = (nan"]),
        ("not Hermitian", "HERMITICITY", ["diagonal[0] is not Hermitian", "0.2j"]),
        ("handle out NULL", "INPUT", ["device is NULL"]),
        ("device NULL", "HANDLE", ["device is NULL", "negfadj_device_create"]),
        ("no handle", "HANDLE", ["is no handle"]),
        ("no leads", "INPUT", ["negfadj_device_add_lead"]),
        ("block", "INPUT", ["block = 2", "0 … 1"]),
        ("lead orbitals", "INPUT", ["n_orbitals = 0"]),
        ("onsite length", "SHAPE", ["onsite_length = 3", "4 entries"]),
        ("coupling default", "SHAPE", ["coupling", "block 1"]),
        ("lead energy", "INPUT", ["potential_energy=nan"]),
        ("no hopping", "INPUT", ["hopping is zero"]),
        ("lead out NULL", "INPUT", ["lead is NULL"]),
        ("set lead, none", "INPUT", ["lead = 0", "no leads yet"]),
        ("one lead", "INPUT", ["drain=1"]),
        ("set lead", "INPUT", ["lead = 2", "0 … 1"]),
        ("overlap", "INPUT", ["overlap.diagonal[0]", "eigenvalue -1"]),
        ("broadening", "INPUT", ["eta = -1e-06"]),
        ("same lead", "INPUT", ["source=1 and drain=1"]),
        ("no drain", "INPUT", ["drain=9"]),
        ("energies NULL", "INPUT", ["energies is NULL"]),
        ("energies infinite", "INPUT", ["energies[1] = inf"]),
        ("no energies", "SHAPE", ["energies are empty"]),
        ("value length", "SHAPE", ["transmission_length = 3", "2 entries"]),
        ("value NULL", "INPUT", ["transmission is NULL"]),
        ("band edge", "CONVERGENCE", ["E = 2 eV", "shift it"]),
        ("density length", "SHAPE", ["density_length = 5", "6 entries"]),
        ("temperature", "INPUT", ["temperature=-1.0"]),
        ("gradient too early", "INPUT", ["call negfadj_pullback first"]),
        ("value_bar length", "SHAPE", ["value_bar_length = 1", "2 entries"]),
        ("value_bar NaN", "INPUT", ["value_bar[1] = nan"]),
        ("no overlap", "INPUT", ["negfadj_device_set_overlap"]),
        ("no lead", "INPUT", ["lead = 2"]),
        ("no lead overlap", "INPUT", ["negfadj_device_set_lead_overlap"]),
        ("no bias", "INPUT", ["negfadj_gradient_energies"]),
        ("gradient length", "SHAPE", ["diagonal_length = 4", "5 entries"]),
        ("result as device", "HANDLE", ["is a negfadj_result and not a negfadj_device"]),
        ("device as result", "HANDLE", ["is a negfadj_device and not a negfadj_result"]),
        ("freed result", "HANDLE", ["freed", "negfadj_*_vjp"]),
        ("freed device", "HANDLE", ["freed", "negfadj_device_create"]),
        ("freed twice", "HANDLE", ["freed"]),
    ],
)
def test_a_wrong_call_from_c_says_what_and_how_to_mend_it(
    errors: dict[str, list[str]], label: str, code: str, named: list[str]
) -> None:
    found, message = errors[label]
    assert int(found) == CODES[f"NEGFADJ_ERROR_{code}"]
    assert re.match(r"negfadj_\w+: ", message) and all(words in message for words in named), message


def test_right_calls_from_c_succeed_between_wrong_ones(errors: dict[str, list[str]]) -> None:
    good = {label: rest for label, rest in errors.items() if label.startswith("good")}
    assert len(good) == 6 and all(rest == ["0", ""] for rest in good.values())


def test_a_failed_call_writes_nothing_and_changes_nothing(errors: dict[str, list[str]]) -> None:
    for label in ("untouched handle", "untouched lead", "untouched values", "as they were", "never used twice"):
        assert errors[label] == ["1"], label


def test_the_message_is_empty_before_an_error_and_cut_to_its_buffer(errors: dict[str, list[str]]) -> None:
    assert errors["before"] == ["0"] and errors["cut message"] == ["1", "negfadj"]


def test_two_threads_call_at_once(folder: Path) -> None:
    done = subprocess.run(
        [str(CC), "-std=gnu11", "-Wall", str(HERE / "c_threads.c"), "-o", str(folder / "threads"), f"-I{folder}"]
        + ["-ldl", "-pthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = output_of(folder / "threads", folder / "libnegfadj.so")
    # each thread has its own message: only the first made a mistake
    assert re.fullmatch(r"0\|negfadj_result_free: .*freed.*", lines[0]) and lines[3::3] == ["0|", "main|0"]
    energies, lead = -1.5 + 0.07 * np.arange(40), {"onsite": [[0j]], "hopping": [[-1 + 0j]]}
    for level, values, onsite in ((0.3, *lines[1:3]), (-0.7, *lines[4:6])):
        blocks = [np.full((1, 1), x + 0j) for x in (0.0, level, 0.1)]
        h = na.BlockTridiagonal(blocks, [np.full((1, 1), -1 + 0j)] * 2)
        value, pullback = na.transmission_vjp(na.Device(h, (na.Lead(**lead), na.Lead(**lead, block=-1))), energies)
        close(np.array(values.split(), float), value)
        close(np.array(onsite.split(), float), pullback(np.ones(40), wrt="onsite").device.hamiltonian.onsite)


def test_an_interpreter_that_is_not_there_is_an_error_code(folder: Path) -> None:
    program = compiled(folder, C_EXAMPLE, "-lm")
    environment = {"NEGFADJ_PYTHON": "/nowhere/python"}
    done = subprocess.run([str(program)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 1 and done.stdout == ""
    code = CODES["NEGFADJ_ERROR_ENVIRONMENT"]
    assert done.stderr.startswith(f"negfadj error {code}: there is no Python interpreter at /nowhere/python; set")


def test_an_environment_without_negfadj_is_an_error_code(folder: Path, tmp_path: Path) -> None:
    # an environment with nothing in it: not even cffi, or cffi alone where the interpreter itself has one
    made = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "empty")]
    subprocess.run(made, check=True, capture_output=True)
    program = compiled(folder, C_EXAMPLE, "-lm")
    environment = {"NEGFADJ_PYTHON": str(tmp_path / "empty" / "bin" / "python")}
    done = subprocess.run([str(program)], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"negfadj error {CODES['NEGFADJ_ERROR_ENVIRONMENT']}: ")
    assert "negfadj[doors]" in done.stderr and "NEGFADJ_PYTHON" in done.stderr


@pytest.mark.slow
def test_the_host_keeps_its_python_variables_to_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    program = compiled(folder, C_EXAMPLE, "-lm")
    assert len(output_of(program, PYTHONPATH=str(tmp_path), PYTHONHOME="/nowhere", PYTHONSTARTUP="/nowhere")) == 7


def test_a_library_of_another_header_is_refused() -> None:
    with pytest.raises(na.InputError, match=r"another version of negfadj\.h.*build it again"):
        connect(None, header_digest()[::-1])


def test_every_function_of_the_header_has_its_python() -> None:
    assert {prototype.name for prototype in prototypes()} == set(FUNCTIONS) | set(FREEING)
    text = (ROOT / "negfadj" / "embedding" / "negfadj.h").read_text(encoding="utf-8")
    assert text.count("NEGFADJ_API int ") == len(prototypes())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (na.InputTypeError("x"), "INPUT"),
        (na.ShapeError("x"), "SHAPE"),
        (na.HermiticityError("x"), "HERMITICITY"),
        (na.ConvergenceError("x"), "CONVERGENCE"),
        (na.MemoryLimitError("x"), "MEMORY"),
        (MemoryError(), "MEMORY"),
        (na.MissingDependencyError("x"), "ENVIRONMENT"),
        (ZeroDivisionError("x"), "INTERNAL"),
        (KeyboardInterrupt(), "INTERNAL"),
    ],
)
def test_an_exception_has_its_code_and_a_message(error: BaseException, code: str) -> None:
    number, text = described(error)
    assert number == CODES[f"NEGFADJ_ERROR_{code}"] and text


def test_the_header_is_cplusplus(folder: Path) -> None:
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler is found")
    source = folder / "plus.cpp"
    source.write_text(
        "#include <negfadj.h>\nstd::complex<double> h[1];\n"
        "int f(negfadj_device d) { return negfadj_device_set_blocks(d, 1, h, 0, nullptr); }\n",
        encoding="utf-8",
    )
    command = [compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", f"-I{folder}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pkg_config_gives_the_flags(folder: Path) -> None:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    flags = output_of(
        str(shutil.which("pkg-config")), "--libs", "negfadj", PKG_CONFIG_PATH=str(folder), PATH=os.environ["PATH"]
    )[0]
    assert "-lnegfadj" in flags and "-Wl,-rpath," in flags


def test_a_python_without_libpython_is_refused(tmp_path: Path) -> None:
    variables = {"LDVERSION": "3.11", "LIBDIR": str(tmp_path), "LIBPL": str(tmp_path), "INSTSONAME": "libpython3.11.a"}
    with pytest.raises(na.InputError, match=r"no libpython.*--enable-shared"):
        python_link_flags(variables)
    (tmp_path / "libpython3.11.a").touch()
    assert "-Wl,--whole-archive" in python_link_flags(variables)
    (tmp_path / "libpython3.11.so").touch()
    assert python_link_flags(variables)[0] == str(tmp_path / "libpython3.11.so")


def test_a_python_library_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(na.InputError, match="there is no file"):
        build_c_library(tmp_path, python_library=tmp_path / "libpython.so")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="which code is position-independent depends on the machine")
def test_a_static_python_that_is_not_position_independent_is_refused(tmp_path: Path) -> None:
    source, archive = tmp_path / "fixed.c", tmp_path / "libfixed.a"
    source.write_text("static char x[9]; char *fixed(void) { return x; }\n", encoding="utf-8")
    flags = ["-c", "-fno-pic", "-fno-pie", "-mcmodel=small"]
    subprocess.run([str(CC), *flags, str(source), "-o", str(tmp_path / "fixed.o")], check=True)
    subprocess.run(["ar", "rc", str(archive), str(tmp_path / "fixed.o")], check=True)
    with pytest.raises(na.InputError, match="not position-independent"):
        build_c_library(tmp_path / "out", python_library=archive)


def test_a_compiler_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(na.InputError, match="'/nowhere/cc' cannot be run"):
        build_c_library(tmp_path, compiler="/nowhere/cc")
    assert not (tmp_path / "libnegfadj.so").exists()


def test_the_command_ends_with_the_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="InputError: there is no file"):
        main(["--output", str(tmp_path), "--python-library", str(tmp_path / "none.so")])


@pytest.mark.slow
def test_a_library_with_python_linked_in_whole_works(tmp_path: Path) -> None:
    variables = sysconfig.get_config_vars()
    archive = Path(variables["LIBPL"]) / f"libpython{variables['LDVERSION']}.a"
    if not archive.is_file():
        pytest.skip("this Python has no static library")
    try:
        build_c_library(tmp_path, python_library=archive)
    except na.InputError as error:
        pytest.skip(f"this Python's static library cannot be linked: {str(error)[-200:]}")
    assert len(output_of(compiled(tmp_path, C_EXAMPLE, "-lm"))) == 7


@pytest.mark.slow
@pytest.mark.parametrize("language", ["c", "fortran"])
def test_the_makefile_of_the_example_runs_it(tmp_path: Path, language: str) -> None:
    needed = ["make", "pkg-config"] + (["gfortran"] if language == "fortran" else [])
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    copy = shutil.copytree(ROOT / "examples" / language, tmp_path / language, ignore=shutil.ignore_patterns("build"))
    done = subprocess.run(["make", "-C", str(copy), f"PYTHON={sys.executable}"], capture_output=True, text=True)
    assert done.returncode == 0 and "difference" in done.stdout, done.stdout + done.stderr


def plain(text: str) -> str:
    """Lines without their indentation, which a page may leave out."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_code_of_the_guide_stands_in_the_examples() -> None:
    page = (ROOT / "docs" / "guide-c-fortran.md").read_text(encoding="utf-8")
    for language, example in (("c", C_EXAMPLE), ("fortran", FORTRAN_EXAMPLE)):
        blocks = re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
        assert len(blocks) >= 2
        for block in blocks:
            assert plain(block) in plain(example.read_text(encoding="utf-8")), block
