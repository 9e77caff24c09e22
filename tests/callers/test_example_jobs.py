"""The example job files of fits and designs, run from the command line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from search_jobs import call

from negfadj.callers.design_file import DesignSearchSection, GoalSection, load_design, parse_design
from negfadj.callers.fit_file import FitSearchSection, TargetSection, load_fit, parse_fit
from negfadj.callers.search_file import ParameterSection
from negfadj.callers.search_results import read_search
from negfadj.callers.search_system import build_search

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide-command-line.md"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def copied(folder: Path, job: str) -> Path:
    """An example in a folder of its own, with the files it names."""
    for name in (job, "boron_ribbon.xyz", "boron_model.toml", "boron_transmission.csv"):
        shutil.copy(EXAMPLES / name, folder)
    return folder / job


@pytest.mark.slow
def test_boron_fit_finds_the_numbers_behind_its_target(tmp_path: Path) -> None:
    outcome = call("fit", copied(tmp_path, "boron_fit.toml"))
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(tmp_path / "results" / "boron_fit.nc")
    np.testing.assert_allclose(dataset["best"].values, [2.33, -2.4], atol=1e-6)
    pictures = sorted(path.stem.removeprefix("boron_fit_") for path in (tmp_path / "results").glob("*.png"))
    assert pictures == ["convergence", "dos", "parameters", "transmission"]


@pytest.mark.slow
def test_gate_design_raises_the_ratio_eightfold(tmp_path: Path) -> None:
    outcome = call("design", copied(tmp_path, "gate_design.toml"))
    assert outcome.exit_code == 0, outcome.output
    dataset = read_search(tmp_path / "results" / "gate_design.nc")
    assert float(dataset["aim_best"][0]) > 8 * float(dataset["aim_start"][0])
    assert (tmp_path / "results" / "gate_design_atoms.png").stat().st_size > 10_000


def test_example_jobs_describe_what_they_say() -> None:
    fit = build_search(load_fit(EXAMPLES / "boron_fit.toml"))
    assert fit.varied.labels == ("onsite.B", "shells[1].hopping (C–B at 1.42 Å)") and len(fit.aims[0].target) == 81
    design = build_search(load_design(EXAMPLES / "gate_design.toml"))
    assert len(design.varied.labels) == 5 and design.aims[0].kind == "ratio"


def test_job_files_of_the_guide_are_good() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    fits = [parse_fit(block, GUIDE) for block in blocks if 'job = "fit"' in block]
    designs = [parse_design(block, GUIDE) for block in blocks if 'job = "design"' in block]
    assert len(fits) == 1 and len(designs) == 1
    assert fits[0].settings.target == load_fit(EXAMPLES / "boron_fit.toml").settings.target


@pytest.mark.parametrize(
    "section", [ParameterSection, TargetSection, FitSearchSection, GoalSection, DesignSearchSection]
)
def test_every_key_is_in_the_guide(section: type) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert [key for key in section.model_fields if f"`{key}`" not in text] == []
