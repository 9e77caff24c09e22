"""The errors negfadj raises: each says what was wrong, the value, and the fix.

Every class also derives from the built-in exception a caller would expect (``ValueError``, ``TypeError``,
``RuntimeError``), so code that knows nothing of negfadj can catch it.
"""

from __future__ import annotations


class NegfadjError(Exception):
    """Base class of every error raised by negfadj."""


class InputError(NegfadjError, ValueError):
    """An argument has a value that has no meaning here."""


class InputTypeError(InputError, TypeError):
    """An argument is of the wrong kind: complex energies, a string for an array, mixed array libraries."""


class ShapeError(InputError):
    """An array has the wrong shape."""


class HermiticityError(InputError):
    """A matrix given as Hermitian is not."""


class ConvergenceError(NegfadjError, RuntimeError):
    """An iteration ended with a residual above its tolerance; nothing unconverged is returned.

    Attributes
    ----------
    energies : list of float
        The energies [eV] that failed, where the failure belongs to energies.
    residual : float
        The largest residual met.
    """

    def __init__(self, message: str, *, energies: list[float] | None = None, residual: float = float("nan")) -> None:
        super().__init__(message)
        self.energies = energies or []
        self.residual = residual


class BackendError(NegfadjError, RuntimeError):
    """The requested backend cannot be used on this machine."""


class KernelCompilationError(BackendError):
    """A CUDA kernel does not compile on this machine; ``use_kernels("reference")`` goes on without it."""


class MemoryLimitError(NegfadjError, MemoryError):
    """The work does not fit the memory limit even at one energy at a time."""


class MissingDependencyError(NegfadjError, ImportError):
    """An optional package is needed for this call and is not installed."""


class FileFormatError(InputError):
    """A file is cut short or not in the format it should have."""
