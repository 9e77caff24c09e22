"""The job file of a nanotube transistor: the sections, their keys and what is refused.

docs/guide-transistor.md explains every key.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from ..typing import Array
from .job_file import Section, checked_settings, read_text


class TubeSection(Section):
    """[tube]: an (n, 0) nanotube, and in which orbitals it is treated."""

    n: int = Field(ge=3)
    hopping: float = -2.7
    bond: float = Field(default=1.42, gt=0)
    modes: int | Literal["all", "atoms"] = "all"

    @model_validator(mode="after")
    def _conducts(self) -> TubeSection:
        if self.hopping == 0:
            raise ValueError("`hopping` = 0 couples no atoms")
        if isinstance(self.modes, int) and not 1 <= self.modes <= (self.n - 1) // 2:
            raise ValueError(
                f'`modes` = {self.modes} but a ({self.n}, 0) tube has {(self.n - 1) // 2} pairs of modes; give a '
                'number of pairs, "all" or "atoms"'
            )
        return self


class GeometrySection(Section):
    """[geometry]: lengths along the tube, from its middle outwards, and across it [Å]."""

    channel: float = Field(gt=0)
    spacer: float = Field(gt=0)
    contact: float = Field(gt=0)
    gap: float = Field(default=3.0, gt=0)
    oxide: float = Field(gt=0)


class MaterialsSection(Section):
    """[materials]: the oxide, the doping of the ends, the gate."""

    oxide_permittivity: float = Field(gt=0)
    doping: float
    gate_work_function: float = 0.0

    @model_validator(mode="after")
    def _is_doped(self) -> MaterialsSection:
        if self.doping == 0:
            raise ValueError("`doping` = 0 leaves the leads without carriers; give donors per nm, or minus acceptors")
        return self


class VoltagesSection(Section):
    """[voltages]: drain and gate voltages against the source, and the temperature."""

    drain: list[float] = Field(min_length=1)
    gate_start: float
    gate_stop: float
    gate_count: int = Field(ge=2)
    temperature: float = Field(default=300.0, gt=0)

    @model_validator(mode="after")
    def _rise(self) -> VoltagesSection:
        if not self.gate_start < self.gate_stop:
            raise ValueError(f"`gate_start` = {self.gate_start} must be below `gate_stop` = {self.gate_stop}")
        if any(b <= a for a, b in zip(self.drain[:-1], self.drain[1:])):
            raise ValueError("`drain` must rise from one voltage to the next")
        return self

    def gate(self) -> Array:
        """The gate voltages [V], rising, shape (n_gate,)."""
        grid: Array = np.round(np.linspace(self.gate_start, self.gate_stop, self.gate_count), 12)  # 0 is 0
        return grid + 0.0


class NumericsSection(Section):
    """[numerics]: grid, charges, tolerances."""

    spacing: float = Field(default=1.42, gt=0)
    charge_width: float = Field(default=1.0, gt=0)
    tolerance: float = Field(default=1e-7, gt=0)
    error: float = Field(default=1e-7, ge=1e-10, le=1e-2)
    max_energies: int = Field(default=20_000, ge=100)


class OutputSection(Section):
    """[output]: where results go, and the two gate voltages of the maps and of the table of gradients."""

    file: str | None = None
    pictures: bool = True
    off: float | None = None
    on: float | None = None


class TransistorSettings(Section):
    """The whole job file."""

    job: Literal["nanotube-transistor"]
    title: str = ""
    tube: TubeSection
    geometry: GeometrySection
    materials: MaterialsSection
    voltages: VoltagesSection
    numerics: NumericsSection = NumericsSection()
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _maps_on_the_grid(self) -> TransistorSettings:
        grid = self.voltages.gate()
        for name in ("off", "on"):
            voltage = getattr(self.output, name)
            if voltage is not None and not grid[0] <= voltage <= grid[-1]:
                raise ValueError(
                    f"output.{name} = {voltage} V is outside of the gate voltages {grid[0]:g} … {grid[-1]:g} V"
                )
        return self


@dataclass(frozen=True)
class TransistorJob:
    """A checked job file.

    Parameters
    ----------
    path : Path
    text : str
        The file as it was read; it goes into the results.
    settings : TransistorSettings
    """

    path: Path
    text: str
    settings: TransistorSettings

    @property
    def results_path(self) -> Path:
        """The results file: `output.file`, relative to the folder of the job file, or the job's own name with .nc."""
        return self.path.parent / (self.settings.output.file or f"{self.path.stem}.nc")


def load_transistor(path: str | PathLike[str]) -> TransistorJob:
    """Read and check the job file of a transistor; errors as `load_job`."""
    path = Path(path)
    return parse_transistor(read_text(path), path)


def parse_transistor(text: str, path: Path) -> TransistorJob:
    """Check the text of a job file; `path` names it in messages."""
    return TransistorJob(path, text, checked_settings(text, path, TransistorSettings))
