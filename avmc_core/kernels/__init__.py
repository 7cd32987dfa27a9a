"""Recurrence, attention and dropout as fast as this machine allows: compiled C, or PyTorch."""
