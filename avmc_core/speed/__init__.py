"""What things cost: the benchmark and the arithmetic of a grid."""
