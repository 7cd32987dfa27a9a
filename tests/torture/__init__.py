"""Hostile files, kills and faults: ``make torture``, and a short version of it in
``tests/repository/test_torture.py``.

Every random choice comes from a seed. A case that ends badly can be repeated by its family, number
and seed.
"""
