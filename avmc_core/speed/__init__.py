"""Computing costs: the benchmark, and the arithmetic of a grid."""
