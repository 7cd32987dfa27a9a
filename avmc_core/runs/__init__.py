"""Computed once, kept: the run store, training, execution, grids, experiments, tuning, packages."""
