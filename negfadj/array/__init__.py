"""The array layer: array libraries, backends, kernels, memory, trees of arrays."""

from .backend import check_backend, gpu_namespace, move_in, move_out
from .brief import brief_repr
from .computing import computing
from .hopping import Monomial, MonomialPattern, RealBlock, monomial_pattern, product, structured
from .kernels import KERNELS, Kernel, inverse, use_kernels
from .linalg import adjoint, eig, eigh, identity, max_norm, sum_of_products, trace_product
from .memory import batch_size, cached_batch, free_memory, memory_budget
from .namespace import (
    array_namespace,
    as_real_like,
    complex_dtype,
    device_of,
    eps_of,
    is_array,
    is_complex,
    is_single,
    real_dtype,
    to_numpy,
)
from .tree import STATIC, leaves, rebuild, tree_map

__all__ = [
    "KERNELS",
    "STATIC",
    "Kernel",
    "Monomial",
    "MonomialPattern",
    "RealBlock",
    "adjoint",
    "array_namespace",
    "as_real_like",
    "batch_size",
    "brief_repr",
    "cached_batch",
    "computing",
    "check_backend",
    "complex_dtype",
    "device_of",
    "eig",
    "eigh",
    "eps_of",
    "free_memory",
    "gpu_namespace",
    "identity",
    "inverse",
    "is_array",
    "is_complex",
    "is_single",
    "leaves",
    "max_norm",
    "memory_budget",
    "monomial_pattern",
    "move_in",
    "move_out",
    "product",
    "real_dtype",
    "rebuild",
    "structured",
    "sum_of_products",
    "to_numpy",
    "trace_product",
    "tree_map",
    "use_kernels",
]
