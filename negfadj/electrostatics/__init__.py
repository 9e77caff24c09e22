"""Electrostatics: the potential of charges among conductors and dielectrics, its transpose, and its derivatives."""
