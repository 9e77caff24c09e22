"""seedname_hr.dat: written by hand as Wannier90 does, read back, and every way to break one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import negfadj as na
from negfadj.data import PeriodicHamiltonian
from negfadj.errors import FileFormatError, HermiticityError, InputError
from negfadj.models.principal_layer import device_from_periodic
from negfadj.models.wannier90 import read_lattice, read_wannier90, write_wannier90

WIN = """! a comment
num_wann = 2
Begin Unit_Cell_Cart
bohr
 6.0 0.0 0.0
 0.0 7.0 0.0   ! across
 0.5 0.0 8.0
End Unit_Cell_Cart
"""


def wannier_cells(reach: int = 2) -> np.ndarray:
    """An odd box of cells, sorted as Wannier90 sorts them."""
    steps = np.arange(-reach, reach + 1)
    return np.array([(a, b, c) for a in steps for b in steps for c in (-1, 0, 1)])


def example(n: int = 2, reach: int = 2, seed: int = 0) -> PeriodicHamiltonian:
    """Random Hermitian blocks that fall off with distance."""
    rng = np.random.default_rng(seed)
    cells = wannier_cells(reach)
    blocks = rng.standard_normal((len(cells), n, n)) + 1j * rng.standard_normal((len(cells), n, n))
    blocks *= np.exp(-np.linalg.norm(cells, axis=1))[:, None, None]
    blocks = (blocks + blocks[::-1].conj().swapaxes(1, 2)) / 2  # the list is symmetric about its middle
    return PeriodicHamiltonian(cells, blocks)


def hr_text(periodic: PeriodicHamiltonian, degeneracies: np.ndarray, digits: str = "12.6f") -> str:
    """The file, entry by entry, with a plain loop; the blocks times their degeneracy."""
    n = periodic.n_orbitals
    lines = [" written on 1Jan2026 at 00:00:00 ", f"{n:12d}", f"{len(degeneracies):12d}"]
    for start in range(0, len(degeneracies), 15):
        lines.append("".join(f"{d:5d}" for d in degeneracies[start : start + 15]))
    for r, block, d in zip(periodic.cells, periodic.hamiltonian, degeneracies):
        for j in range(n):
            for i in range(n):
                x = block[i, j] * d
                lines.append("".join(f"{k:5d}" for k in (*r, i + 1, j + 1)) + f" {x.real:{digits}} {x.imag:{digits}}")
    return "\n".join(lines) + "\n"


def symmetric_degeneracies(periodic: PeriodicHamiltonian) -> np.ndarray:
    return 1 + np.abs(periodic.cells).max(axis=1) ** 2


@pytest.fixture
def hr(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "seedname_hr.dat"
        path.write_text(text)
        return path

    return write


def test_blocks_are_divided_by_their_degeneracy(hr: Callable) -> None:
    periodic = example()
    found = read_wannier90(hr(hr_text(periodic, symmetric_degeneracies(periodic))))
    np.testing.assert_array_equal(found.cells, periodic.cells)
    np.testing.assert_allclose(found.hamiltonian, periodic.hamiltonian, atol=0.75e-6)
    assert found.overlap is None and found.lattice is None


def test_printed_blocks_are_made_hermitian_exactly(hr: Callable) -> None:
    periodic = example()
    lines = hr_text(periodic, np.ones(periodic.n_cells, int)).splitlines()
    at = next(k for k, line in enumerate(lines) if line.split()[:5] == ["1", "0", "0", "1", "2"])
    words = lines[at].split()
    lines[at] = " ".join([*words[:5], f"{float(words[5]) + 1e-6:.6f}", words[6]])
    blocks = read_wannier90(hr("\n".join(lines))).hamiltonian
    assert np.max(np.abs(blocks - blocks[::-1].conj().swapaxes(1, 2))) == 0
    np.testing.assert_allclose(blocks, periodic.hamiltonian, atol=1.5e-6)


def test_file_without_imaginary_parts_is_real(hr: Callable) -> None:
    periodic = example()
    blocks = periodic.hamiltonian.real
    found = read_wannier90(hr(hr_text(PeriodicHamiltonian(periodic.cells, blocks), np.ones(len(blocks), int))))
    assert found.hamiltonian.dtype == np.float64
    np.testing.assert_allclose(found.hamiltonian, blocks, atol=0.75e-6)


def test_exponents_are_read_and_loosen_the_tolerance(hr: Callable) -> None:
    periodic = example()
    found = read_wannier90(hr(hr_text(periodic, np.ones(periodic.n_cells, int), "16.8E")))
    np.testing.assert_allclose(found.hamiltonian, periodic.hamiltonian, atol=1e-8)


def test_written_file_is_read_back(tmp_path: Path) -> None:
    periodic = example(n=3)
    path = tmp_path / "copy_hr.dat"
    write_wannier90(path, periodic, decimals=14)
    found = read_wannier90(path)
    np.testing.assert_array_equal(found.cells, periodic.cells)
    np.testing.assert_allclose(found.hamiltonian, periodic.hamiltonian, atol=1e-14)


def test_written_file_is_what_wannier90_writes(tmp_path: Path) -> None:
    periodic = example()
    path = tmp_path / "copy_hr.dat"
    write_wannier90(path, periodic)
    ours = [line.split() for line in path.read_text().splitlines()[1:]]
    assert ours == [line.split() for line in hr_text(periodic, np.ones(periodic.n_cells, int)).splitlines()[1:]]


def test_cutoff_drops_small_entries_and_empty_cells(hr: Callable) -> None:
    periodic = example()
    path = hr(hr_text(periodic, np.ones(periodic.n_cells, int)))
    found, whole = read_wannier90(path, cutoff=0.3), read_wannier90(path)
    assert found.n_cells < whole.n_cells and found.n_cells > 1
    kept = {tuple(r): block for r, block in zip(found.cells.tolist(), found.hamiltonian)}
    for r, block in zip(whole.cells.tolist(), whole.hamiltonian):
        np.testing.assert_array_equal(kept.get(tuple(r), np.zeros((2, 2))), np.where(np.abs(block) < 0.3, 0, block))


def test_lattice_is_read_from_the_input_file(hr: Callable, tmp_path: Path) -> None:
    win = tmp_path / "seedname.win"
    win.write_text(WIN)
    expected = 0.529177210903 * np.array([[6.0, 0, 0], [0, 7.0, 0], [0.5, 0, 8.0]])
    periodic = example()
    found = read_wannier90(hr(hr_text(periodic, np.ones(periodic.n_cells, int))), win=win)
    np.testing.assert_allclose(found.lattice, expected)
    win.write_text(WIN.replace("bohr\n", "Ang\n"))
    np.testing.assert_allclose(read_lattice(win), expected / 0.529177210903)
    win.write_text(WIN.replace("bohr\n", ""))
    np.testing.assert_allclose(read_lattice(win), expected / 0.529177210903)


def test_transmission_of_a_file_is_the_number_of_bands(hr: Callable) -> None:
    periodic = example(reach=1)
    found = read_wannier90(hr(hr_text(periodic, symmetric_degeneracies(periodic))))
    energies, momentum = np.array([-0.4, 0.3]), (0.0, 0.21, -0.1)
    k = np.tile(momentum, (4001, 1))
    k[:, 0] = np.linspace(0, 1, 4001)
    bands = np.linalg.eigvalsh(found.at(k)[0])
    channels = [np.sum((bands[1:] > e) != (bands[:-1] > e)) / 2 for e in energies]
    device = device_from_periodic(found, direction=0, n_layers=2, momentum=momentum)
    assert max(channels) >= 1
    np.testing.assert_allclose(na.transmission(device, energies), channels, atol=1e-9)


def test_sisl_reads_the_same(tmp_path: Path) -> None:
    sisl = pytest.importorskip("sisl")
    periodic = example()
    (tmp_path / "copy_hr.dat").write_text(hr_text(periodic, symmetric_degeneracies(periodic)))
    # a cell of one orbital per Wannier function, for sisl to hang the matrix on
    geometry = sisl.Geometry(np.zeros((2, 3)), sisl.Atom(1), lattice=sisl.Lattice(np.array([3.0, 3.0, 3.0])))
    sile = sisl.io.hrSileWannier90(tmp_path / "copy_hr.dat")
    theirs = sile.read_hamiltonian(geometry, dtype=np.complex128, cutoff=0.0)
    found = read_wannier90(tmp_path / "copy_hr.dat")
    for k in np.random.default_rng(1).uniform(-0.5, 0.5, (4, 3)):
        np.testing.assert_allclose(found.at(k[None])[0][0], theirs.Hk(k, format="array"), atol=1e-5)


def minimal_distances(periodic: PeriodicHamiltonian, centres: np.ndarray, grid: np.ndarray) -> list[list]:
    """For every R, i, j the supercell translations T that make |R + T + centre_j − centre_i| smallest."""
    n = periodic.n_orbitals
    images = [np.array((a, b, 0)) * grid for a in (-2, -1, 0, 1, 2) for b in (-2, -1, 0, 1, 2)]
    found = []
    for r in periodic.cells:
        for i in range(n):
            for j in range(n):
                lengths = np.array([np.linalg.norm(r + t + centres[j] - centres[i]) for t in images])
                nearest = [t for t, x in zip(images, lengths) if x < lengths.min() + 1e-6]
                found.append([tuple(int(x) for x in r), i, j, nearest])
    return found


def wsvec_text(records: list[list]) -> str:
    lines = ["## written on 1Jan2026 at 00:00:00  with use_ws_distance=.true."]
    for r, i, j, nearest in records:
        lines.append("".join(f"{x:5d}" for x in (*r, i + 1, j + 1)))
        lines.append(f"{len(nearest):5d}")
        lines.extend("".join(f"{x:5d}" for x in t) for t in nearest)
    return "\n".join(lines) + "\n"


CENTRES = np.array([[0.0, 0.0, 0.0], [0.3, 0.5, 0.0]])  # in lattice vectors
GRID = np.array([4, 4, 1])  # of the k-points: H(k) at these is known exactly


def distant() -> tuple[PeriodicHamiltonian, list[list]]:
    """The cells of a Wigner–Seitz supercell of 4 × 4, the corners kept once only, and the minimal distances."""
    cells = np.array([(a, b, 0) for a in (-1, 0, 1) for b in (-1, 0, 1)])
    rng = np.random.default_rng(3)
    blocks = rng.standard_normal((9, 2, 2)) + 1j * rng.standard_normal((9, 2, 2))
    far = np.array([(2, 0, 0), (-2, 0, 0), (0, 2, 0), (0, -2, 0)])  # half of each: they are one cell of the supercell
    more = rng.standard_normal((2, 2, 2))
    blocks = np.concatenate([blocks, more[:1], more[:1], more[1:], more[1:]])
    mirror = [*range(8, -1, -1), 10, 9, 12, 11]
    periodic = PeriodicHamiltonian(np.concatenate([cells, far]), (blocks + blocks[mirror].conj().swapaxes(1, 2)) / 2)
    return periodic, minimal_distances(periodic, CENTRES, GRID)


def test_minimal_distances_move_entries_to_their_nearest_images(hr: Callable, tmp_path: Path) -> None:
    periodic, records = distant()
    (tmp_path / "x_wsvec.dat").write_text(wsvec_text(records))
    path = hr(hr_text(periodic, np.ones(13, int), "20.14f"))
    found = read_wannier90(path, wsvec=tmp_path / "x_wsvec.dat")
    assert any(np.any(t) for *_, nearest in records for t in nearest)
    assert any(len(nearest) > 1 for *_, nearest in records)
    k = np.array([[0.13, -0.21, 0.0], [0.4, 0.3, 0.0]])
    expected = np.zeros((2, 2, 2), complex)
    for r, i, j, nearest in records:
        value = periodic.hamiltonian[periodic.cells.tolist().index(list(r)), i, j]
        for t in nearest:
            expected[:, i, j] += value / len(nearest) * np.exp(2j * np.pi * (k @ (np.array(r) + t)))
    np.testing.assert_allclose(found.at(k)[0], expected, atol=1e-12)
    grid = np.array([[a / 4, b / 4, 0] for a in range(4) for b in range(4)])
    np.testing.assert_allclose(found.at(grid)[0], periodic.at(grid)[0], atol=1e-12)  # T is a supercell translation
    assert np.max(np.abs(found.at(k)[0] - periodic.at(k)[0])) > 1e-2


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda lines: lines[:-4], "is cut short: it has 51 entries R, i, j of the 52"),
        (lambda lines: lines[:-1], "is cut short: it ends after line"),
        (lambda lines: [*lines, *lines[1:4]], "a second time"),
        (lambda lines: [lines[0], lines[1].replace("    1    1", "    1    3"), *lines[2:]], "line 2 .*does not have"),
        (lambda lines: [*lines[:2], "    x", *lines[3:]], "line 3 .*must hold 1 integers, the number of vectors"),
        (lambda lines: [*lines[:2], "    0", *lines[3:]], "line 3 .*one or more"),
        (lambda lines: [*lines[:3], "    0    0", *lines[4:]], "line 4 .*must hold 3 integers, T1 T2 T3"),
    ],
)
def test_broken_minimal_distances_are_refused(hr: Callable, tmp_path: Path, change: Callable, words: str) -> None:
    periodic, records = distant()
    records[-1][3] = records[-1][3][:1] * 2  # the last entry: a line of names, one of their number, two T
    (tmp_path / "x_wsvec.dat").write_text("\n".join(change(wsvec_text(records).splitlines())) + "\n")
    with pytest.raises(FileFormatError, match=words):
        read_wannier90(hr(hr_text(periodic, np.ones(13, int))), wsvec=tmp_path / "x_wsvec.dat")


@pytest.mark.slow
def test_million_lines_are_read_in_seconds(tmp_path: Path) -> None:
    n, cells = 34, wannier_cells(8)
    rng = np.random.default_rng(0)
    blocks = rng.standard_normal((len(cells), n, n)) + 1j * rng.standard_normal((len(cells), n, n))
    periodic = PeriodicHamiltonian(cells, (blocks + blocks[::-1].conj().swapaxes(1, 2)) / 2)
    write_wannier90(tmp_path / "large_hr.dat", periodic)
    start = time.perf_counter()
    found = read_wannier90(tmp_path / "large_hr.dat")
    assert found.n_cells * n * n > 1e6
    assert time.perf_counter() - start < 20


# Broken files -------------------------------------------------------------------------------------------------------


def text_lines() -> list[str]:
    periodic = example(reach=1)
    return hr_text(periodic, np.ones(periodic.n_cells, int)).splitlines()  # 27 cells: head of 5 lines, 108 entries


def changed(k: int, old: str, new: str) -> str:
    """The file with a replacement in line k, counted from 1."""
    lines = text_lines()
    assert old in lines[k - 1]
    lines[k - 1] = lines[k - 1].replace(old, new, 1)
    return "\n".join(lines) + "\n"


def test_file_cut_short_is_refused_with_the_numbers_of_lines(hr: Callable) -> None:
    lines = text_lines()
    assert len(lines) == 5 + 108
    with pytest.raises(FileFormatError) as caught:
        read_wannier90(hr("\n".join(lines[:60])))
    assert "is cut short: 27 cells of 2 Wannier functions take 108 lines of entries, 113 lines in all" in str(
        caught.value
    )
    assert "but it has 55 and 60" in str(caught.value)


def test_file_cut_within_a_line_is_refused_with_the_line(hr: Callable) -> None:
    text = "\n".join(text_lines())
    with pytest.raises(FileFormatError, match=r"line 113 .*has 6 columns"):
        read_wannier90(hr(text[: text.rindex(" ")].rstrip()))


@pytest.mark.parametrize(
    "text, words",
    [
        ("a comment\n2\n", "cut short within its head"),
        (changed(2, "2", "two"), r"line 2 \('two'\).*number of Wannier functions"),
        (changed(3, "27", "0"), "line 3 .*number of cells"),
        (changed(4, "1", "x"), "line 4 .*must hold degeneracies"),
        (changed(4, "1", "0"), "line 4 .*must hold degeneracies"),
        (changed(3, "27", "26"), "line 5 .*holds degeneracy 27, but line 3 says 26 cells"),
        ("\n".join(text_lines()[:4]) + "\n", "15 of 27 degeneracies"),
        ("\n".join([*text_lines(), text_lines()[-1]]), "goes on too long"),
        (changed(6, "-1", " x"), "line 6 .*must hold the numbers R1"),
        (changed(7, text_lines()[6].split()[5], "************"), "line 7 .*must hold the numbers R1"),
        (changed(8, text_lines()[7].split()[6], "nan"), "line 8 .*not finite"),
        (changed(9, "    2    2 ", "    2  2.5 "), "line 9 .*integers"),
        (changed(9, "    2    2 ", "    2    3 "), "line 9 .*i and j must be from 1 to 2"),
        (changed(9, "    2    2 ", "    1    2 "), "line 9 .*a second time"),
        (changed(9, "   -1   -1", "   -1    0"), "line 9 .*another cell"),
    ],
)
def test_broken_file_is_refused_with_its_line(hr: Callable, text: str, words: str) -> None:
    with pytest.raises(FileFormatError, match=words):
        read_wannier90(hr(text))


def test_cell_listed_twice_is_refused(hr: Callable) -> None:
    lines = text_lines()
    lines[9:13] = lines[5:9]
    with pytest.raises(FileFormatError, match=r"line 10 .*begins cell \[-1, -1, -1\] a second time"):
        read_wannier90(hr("\n".join(lines)))


def test_cell_without_its_opposite_is_refused(hr: Callable) -> None:
    lines = text_lines()
    lines[5:9] = [line.replace("   -1   -1   -1", "   -4   -1   -1") for line in lines[5:9]]
    with pytest.raises(FileFormatError, match=r"line 6 .*cell \[-4, -1, -1\] has no opposite \[4, 1, 1\]"):
        read_wannier90(hr("\n".join(lines)))


def test_uneven_degeneracies_are_refused(hr: Callable) -> None:
    with pytest.raises(FileFormatError, match=r"cell \[-1, -1, -1\] has degeneracy 2 but its opposite 1"):
        read_wannier90(hr(changed(4, "1", "2")))


def test_hamiltonian_that_is_not_hermitian_is_refused_with_its_entry(hr: Callable) -> None:
    lines = text_lines()
    words = lines[8].split()
    lines[8] = " ".join([*words[:5], f"{float(words[5]) + 4e-6:.6f}", words[6]])
    with pytest.raises(HermiticityError, match=r"entry \(2, 2\) of cell \[.*\] is .* the file's digits"):
        read_wannier90(hr("\n".join(lines)))


def test_missing_file_is_refused() -> None:
    with pytest.raises(InputError, match="nowhere"):
        read_wannier90("nowhere_hr.dat")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x_hr.dat").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(FileFormatError, match="not a text file"):
        read_wannier90(tmp_path / "x_hr.dat")


def test_negative_cutoff_is_refused() -> None:
    with pytest.raises(InputError, match="cutoff=-1"):
        read_wannier90("any", cutoff=-1)


@pytest.mark.parametrize(
    "text, words",
    [
        (WIN.replace("Begin", "x"), "no block"),
        (WIN.replace(" 6.0 0.0 0.0\n", ""), "2 vectors"),
        (WIN.replace("6.0", "six"), "something else than numbers"),
        (WIN.replace(" 0.5 0.0 8.0", " 6.0 7.0 0.0"), "lie in a plane"),
        (WIN.replace(" 0.5 0.0 8.0", " 0.0 0.0 0.0"), "lie in a plane"),
    ],
)
def test_broken_lattice_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "x.win").write_text(text)
    with pytest.raises(FileFormatError, match=words):
        read_lattice(tmp_path / "x.win")


def test_overlap_cannot_be_written(tmp_path: Path) -> None:
    cells, hamiltonian = np.zeros((1, 3), int), np.zeros((1, 2, 2))
    with pytest.raises(InputError, match="overlap"):
        write_wannier90(tmp_path / "x_hr.dat", PeriodicHamiltonian(cells, hamiltonian, np.eye(2)[None]))


@pytest.mark.parametrize("decimals", [0, 18, 6.0, True])
def test_unusable_decimals_are_refused(tmp_path: Path, decimals: object) -> None:
    with pytest.raises(InputError, match="decimals"):
        write_wannier90(tmp_path / "x_hr.dat", example(), decimals=decimals)
