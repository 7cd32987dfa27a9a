"""A reproducible companion to CH-SIMS v2.0 and AV-MC (Liu et al., ICMI 2022)."""

__version__ = "0.1.0"
