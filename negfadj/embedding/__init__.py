"""Doors into programs that know nothing of Python arrays or gradients: OpenMDAO, C, Fortran."""
