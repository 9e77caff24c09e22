"""The job file of a design: numbers of a device, within bounds, that make a quantity large or small."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from .job_file import EnergiesSection, Section, StructureSection, checked_settings, read_text
from .search_file import SearchOutputSection, SearchSettings

Where = Annotated[list[float], Field(min_length=1, max_length=2)]


class GoalSection(Section):
    """[[goal]]: a quantity to be made large or small, or a ratio of it at two places to be made large."""

    aim: Literal["maximise", "minimise", "ratio"]
    quantity: Literal["transmission", "density_of_states", "current"]
    at: Where | None = None
    on: Where | None = None
    off: Where | None = None
    count: int = Field(default=41, ge=2)
    bias: float | None = None
    temperature: float = Field(default=300.0, gt=0)
    weight: float = Field(default=1.0, gt=0)

    @field_validator("at", "on", "off")
    @classmethod
    def _place(cls, value: list[float] | None, info: ValidationInfo) -> list[float] | None:
        if value is None:
            return value
        is_ratio, is_current = info.data.get("aim") == "ratio", info.data.get("quantity") == "current"
        if is_ratio and info.field_name == "at":
            raise ValueError('aim = "ratio" has `on` and `off`')
        if not is_ratio and info.field_name != "at":
            raise ValueError('`on` and `off` are for aim = "ratio"; use `at`')
        if is_current and len(value) != 1:
            raise ValueError("a current is at one Fermi energy: [energy]")
        if len(value) == 2 and not value[0] < value[1]:
            raise ValueError("a window is [from, to], rising [eV]")
        return value

    @field_validator("bias", "temperature")
    @classmethod
    def _of_a_current(cls, value: float | None, info: ValidationInfo) -> float | None:
        if info.data.get("quantity") != "current":
            raise ValueError(f'`{info.field_name}` is for quantity = "current"')
        if info.field_name == "bias" and value == 0:
            raise ValueError("at no bias there is no current")
        return value

    @model_validator(mode="after")
    def _is_complete(self) -> GoalSection:
        needed = ["on", "off"] if self.aim == "ratio" else ["at"]
        needed += ["bias"] if self.quantity == "current" else []
        missing = [f"`{name}`" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f'aim = "{self.aim}" of a {self.quantity} needs {" and ".join(missing)}')
        return self


class DesignSearchSection(Section):
    """[search]: the method and when it ends."""

    method: Literal["L-BFGS-B", "TNC", "SLSQP", "trust-constr"] = "L-BFGS-B"
    tolerance: float = Field(default=1e-8, gt=0)
    max_evaluations: int = Field(default=200, ge=1)


class DesignSettings(SearchSettings):
    """The whole job file of a design."""

    job: Literal["design"]
    structure: StructureSection
    goal: list[GoalSection] = Field(min_length=1)
    search: DesignSearchSection = DesignSearchSection()
    energies: EnergiesSection
    output: SearchOutputSection = SearchOutputSection()


@dataclass(frozen=True)
class DesignJob:
    """A checked job file of a design.

    Parameters
    ----------
    path : Path
    text : str
        The file as it was read; it goes into the results.
    settings : DesignSettings
    """

    path: Path
    text: str
    settings: DesignSettings

    @property
    def results_path(self) -> Path:
        """The results file: `output.file`, relative to the folder of the job file, or the job's own name with .nc."""
        return self.path.parent / (self.settings.output.file or f"{self.path.stem}.nc")


def load_design(path: str | PathLike[str]) -> DesignJob:
    """Read and check the job file of a design; errors as `load_job`."""
    path = Path(path)
    return parse_design(read_text(path), path)


def parse_design(text: str, path: Path) -> DesignJob:
    """Check the text of a job file; `path` names it in messages."""
    return DesignJob(path, text, checked_settings(text, path, DesignSettings))
