"""Hot loops, installed as `negfadj._kernels`: numba twins, and CUDA sources in `include/` and `cuda/`.

Nothing here is public. Every loop is a twin of a reference in plain Array API, which is its definition; the registry
in `negfadj.array` picks between them and imports a module of this package only when one of its loops is first used.
"""
