"""The array layer: array libraries, backends, kernels, memory, trees of arrays."""

from .backend import Transfers, check_backend, counted_transfers, gpu_namespace, move_in, move_out, own_stream
from .brief import brief_repr
from .computing import computing
from .hopping import Monomial, MonomialPattern, RealBlock, monomial_pattern, product, structured
from .kernels import KERNELS, Kernel, inverse, use_kernels
from .linalg import adjoint, eig, eigh, identity, max_norm, sum_of_products, trace_product
from .memory import batch_size, cached_batch, free_memory, halving, memory_budget
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
from .threads import in_threads, thread_count, use_threads
from .tree import STATIC, leaves, rebuild, tree_map

__all__ = [
    "KERNELS",
    "STATIC",
    "Kernel",
    "Monomial",
    "MonomialPattern",
    "RealBlock",
    "Transfers",
    "adjoint",
    "array_namespace",
    "as_real_like",
    "batch_size",
    "brief_repr",
    "cached_batch",
    "computing",
    "check_backend",
    "complex_dtype",
    "counted_transfers",
    "device_of",
    "eig",
    "eigh",
    "eps_of",
    "free_memory",
    "gpu_namespace",
    "halving",
    "identity",
    "in_threads",
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
    "own_stream",
    "product",
    "real_dtype",
    "rebuild",
    "structured",
    "sum_of_products",
    "thread_count",
    "to_numpy",
    "trace_product",
    "tree_map",
    "use_kernels",
    "use_threads",
]
