"""From the [[goal]] sections of a design to terms of its objective."""

from __future__ import annotations

from typing import Any

import numpy as np

import negfadj

from ..objectives import LogRatio, Maximise, Minimise, Quantity
from .design_file import DesignJob, GoalSection
from .search_aim import Aim

UNITS = {"transmission": "1", "density_of_states": "1/eV", "current": "uA"}


def design_aims(job: DesignJob) -> list[Aim]:
    """One term for every goal."""
    return [_aim(section, job) for section in job.settings.goal]


def _aim(section: GoalSection, job: DesignJob) -> Aim:
    if section.aim == "ratio":
        assert section.on is not None and section.off is not None
        on, off = (_quantity(section, where, job) for where in (section.on, section.off))
        where = f"at {_where(section.on)} and {_where(section.off)}"
        windows = _windows(section, ("on", section.on), ("off", section.off))
        return Aim(
            "ratio", section.quantity, where, "1", LogRatio(on, off, weight=section.weight), windows=windows
        )
    assert section.at is not None
    quantity = _quantity(section, section.at, job)
    term = (Maximise if section.aim == "maximise" else Minimise)(quantity, weight=section.weight)
    bias = "" if section.bias is None else f", {section.bias:g} V"
    windows = _windows(section, (section.aim, section.at))
    where = f"at {_where(section.at)}{bias}"
    return Aim(section.aim, section.quantity, where, UNITS[section.quantity], term, windows=windows)


def _windows(section: GoalSection, *named: tuple[str, list[float]]) -> tuple[tuple[str, float, float], ...]:
    """The energies a goal looks at; of a current none, it has a thermal window."""
    return () if section.quantity == "current" else tuple((name, where[0], where[-1]) for name, where in named)


def _quantity(section: GoalSection, where: list[float], job: DesignJob) -> Quantity:
    leads = job.settings.leads
    options: dict[str, Any] = {"eta": leads.eta, "lead_method": leads.method}
    if section.quantity == "current":
        return Quantity(
            negfadj.current, section.bias, temperature=section.temperature, fermi_energy=where[0], **options
        )
    energies = np.array(where) if len(where) == 1 else np.linspace(where[0], where[1], section.count)
    return Quantity(getattr(negfadj, section.quantity), energies, **options)


def _where(where: list[float]) -> str:
    return f"{where[0]:g} eV" if len(where) == 1 else f"{where[0]:g} … {where[1]:g} eV"
