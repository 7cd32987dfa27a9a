"""The networks equal the public reference: outputs and losses to 1e-5, gradients to 1e-4."""

from __future__ import annotations

import golden_avmc
import golden_files as gf
import pytest

# file name -> function of the golden file that returns (model, renaming rules, batch, function computing the losses)
CASES = {**golden_avmc.CASES}


@pytest.mark.parametrize("name", CASES)
def test_equals_reference(name):
    golden = gf.read(name)
    model, rules, batch, compute = CASES[name](golden)
    gf.load(model, golden, rules)
    output = model(batch)
    gf.check(output, golden.group("output"))
    losses = compute()
    expected = golden.group("loss")
    expected.pop("L1_M")
    gf.check(losses, expected)
    model.zero_grad()
    losses["total"].backward()
    gf.check_gradients(model, golden, rules)
