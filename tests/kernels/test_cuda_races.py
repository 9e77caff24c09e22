"""The CUDA kernels under thread sanitizer: no race between the threads of a block, and a dropped barrier is seen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import cuda_on_host
import pytest

HERE = Path(__file__).resolve().parent
RACE = 66  # the exit status asked of thread sanitizer
WIDTH, THREADS = 8, 16  # two threads a column
NAMES = sorted(cuda_on_host.signatures(cuda_on_host.combined_source()))
INVERSE_BARRIERS = 2 * 7  # of a matrix of 7 rows, up to its last use


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All kernels and race_check.cpp, built with thread sanitizer."""
    folder = tmp_path_factory.mktemp("cuda_races")
    source = folder / "races.cpp"
    check = (HERE / "race_check.cpp").read_text(encoding="utf-8")
    source.write_text(cuda_on_host.combined_source() + check, encoding="utf-8")
    options = cuda_on_host.kernels_module("cuda_module").options("D", WIDTH, THREADS)
    # without optimisation g++ copies a complex number unseen by the sanitizer
    command = ["g++", "-O1", "-g", "-fsanitize=thread", "-pthread", "-include", str(HERE / "cuda_on_host.hpp")]
    done = subprocess.run(
        [*command, *options, str(source), "-o", str(folder / "races")], capture_output=True, text=True
    )
    if "cannot find" in done.stderr and "tsan" in done.stderr:
        pytest.skip("g++ here has no thread sanitizer")
    assert done.returncode == 0, done.stderr[:4000]
    return folder / "races"


def run(program: Path, name: str, dropped: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=1"}
    if dropped is not None:
        environment["NEGFADJ_DROP"] = str(dropped)
    return subprocess.run([str(program), name], env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_threads_race(name: str, program: Path) -> None:
    done = run(program, name)
    assert done.returncode == 0 and done.stdout == "clean\n", done.stderr[:4000]


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_barrier_is_a_race(name: str, program: Path) -> None:
    done = run(program, name, dropped=0)
    assert done.returncode == RACE and "data race" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", range(INVERSE_BARRIERS))
def test_the_inverse_needs_every_barrier(number: int, program: Path) -> None:
    assert run(program, "inverse", dropped=number).returncode == RACE


def test_every_kernel_is_checked(program: Path) -> None:
    assert run(program, "no such kernel").returncode == 1
