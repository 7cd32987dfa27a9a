"""The benchmark compares like with like: its naive networks pass the golden files too."""

from __future__ import annotations

import golden_files as gf
import pytest
import test_golden

from avmc_core.bench_naive import PLAIN, naive

NAMES = ["AVMC_semi_released", "TFN", "MFN", "Graph_MFN", "MulT", "MISA"]


@pytest.mark.parametrize("name", NAMES)
def test_naive_networks_equal_reference(name, monkeypatch):
    made, original = [], test_golden.CASES[name]

    def case(golden: gf.Golden):
        model, *rest = original(golden)
        made.append({type(module) for module in naive(model).modules()})
        return model, *rest

    monkeypatch.setitem(test_golden.CASES, name, case)
    test_golden.test_equals_reference(name)
    assert made[0] & set(PLAIN.values()) and not made[0] & set(PLAIN)
