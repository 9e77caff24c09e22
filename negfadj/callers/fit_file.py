"""The job file of a fit: numbers of a model, or entries of H, that make a device match targets."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from .job_file import EnergiesSection, Region, Section, checked_settings, read_text
from .search_file import SearchOutputSection, SearchSettings

LEAST_SQUARES = ("trf", "dogbox", "lm")


class BulkSection(Section):
    """[bulk]: the file of a crystal, periodic, of which bands are matched."""

    file: str


class TargetSection(Section):
    """[[target]]: a file with what the device, or the crystal, shall show."""

    quantity: Literal["transmission", "density_of_states", "local_density_of_states", "bands"]
    file: str
    grid: str | None = None
    values: str | None = None
    window: Region | None = None
    bands: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, min_length=1)
    weight: float = Field(default=1.0, gt=0)
    norm: Literal["squares", "absolute"] = "squares"

    @field_validator("bands")
    @classmethod
    def _of_bands(cls, value: list[int] | None, info: ValidationInfo) -> list[int] | None:
        if value is not None and info.data.get("quantity") != "bands":
            raise ValueError('`bands` is for quantity = "bands"')
        if value is not None and len(set(value)) < len(value):
            raise ValueError("a band is named twice")
        return value

    @field_validator("window")
    @classmethod
    def _rises(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("a window is [from, to], rising [eV]")
        return value


class FitSearchSection(Section):
    """[search]: the method and when it ends."""

    method: Literal["trf", "dogbox", "lm", "L-BFGS-B", "TNC", "SLSQP", "trust-constr"] = "trf"
    tolerance: float = Field(default=1e-8, gt=0)
    max_evaluations: int = Field(default=200, ge=1)


class FitSettings(SearchSettings):
    """The whole job file of a fit."""

    job: Literal["fit"]
    bulk: BulkSection | None = None
    target: list[TargetSection] = Field(min_length=1)
    search: FitSearchSection = FitSearchSection()
    energies: EnergiesSection | None = None
    output: SearchOutputSection = SearchOutputSection()

    @field_validator("search")
    @classmethod
    def _least_squares_of_squares(cls, value: FitSearchSection, info: ValidationInfo) -> FitSearchSection:
        if value.method in LEAST_SQUARES and any(t.norm != "squares" for t in info.data.get("target", ())):
            raise ValueError(
                f'method = "{value.method}" is least squares, but a target has norm = "absolute"; use "L-BFGS-B"'
            )
        return value

    @model_validator(mode="after")
    def _has_what_is_matched(self) -> FitSettings:
        wanted = {target.quantity for target in self.target}
        if "bands" in wanted and self.bulk is None:
            raise ValueError("a target is bands: name the crystal's file in [bulk]")
        if wanted - {"bands"} and self.structure is None:
            raise ValueError(f"a target is the {min(wanted - {'bands'})} of a device: name its file in [structure]")
        if self.structure is None and self.energies is not None:
            raise ValueError("[energies] are of a device, and there is no [structure]")
        return self


@dataclass(frozen=True)
class FitJob:
    """A checked job file of a fit.

    Parameters
    ----------
    path : Path
    text : str
        The file as it was read; it goes into the results.
    settings : FitSettings
    """

    path: Path
    text: str
    settings: FitSettings

    @property
    def results_path(self) -> Path:
        """The results file: `output.file`, relative to the folder of the job file, or the job's own name with .nc."""
        return self.path.parent / (self.settings.output.file or f"{self.path.stem}.nc")


def load_fit(path: str | PathLike[str]) -> FitJob:
    """Read and check the job file of a fit; errors as `load_job`."""
    path = Path(path)
    return parse_fit(read_text(path), path)


def parse_fit(text: str, path: Path) -> FitJob:
    """Check the text of a job file; `path` names it in messages."""
    return FitJob(path, text, checked_settings(text, path, FitSettings))
