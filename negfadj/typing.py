"""Names for the types that signatures use."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Array: TypeAlias = Any  # a NumPy, CuPy or other Array-API array
ArrayLike: TypeAlias = Any  # anything the array library of the device turns into an Array
Namespace: TypeAlias = Any  # an Array-API namespace (array_api_compat's view of NumPy, CuPy, …)
Backend: TypeAlias = Literal["cpu", "gpu"] | None
LeadMethod: TypeAlias = Literal["auto", "decimation", "modes"]
