"""On the device every network gives the results of the public reference, and its own results on the
CPU."""

from __future__ import annotations

import golden_files as gf
import pytest
import torch
from device import DEVICE, FEW, NETWORKS, here, step
from golden_cases import CASES

from avmc_core.runs.execution import deterministic
from avmc_core.speed.bench_cases import without_dropout


@pytest.fixture(autouse=True)
def as_in_a_run():
    with deterministic(1, DEVICE):
        yield


@pytest.mark.parametrize("name", here(CASES, ["AVMC_semi_released", "MFN", "Self_MM"]))
def test_a_golden_step(name, monkeypatch):
    """Outputs and losses to 1e-5, gradients to 1e-4, as on a CPU."""
    read = gf.read

    def on_device(*names):
        golden = read(*names)
        moved = {n: t.to(DEVICE) for n, t in golden.tensors.items()}
        return gf.Golden(golden.config, moved, golden.facts)

    monkeypatch.setattr(gf, "read", on_device)
    with torch.device(DEVICE):
        golden = gf.read(name)
        model, rules, batch, compute = CASES[name](golden)
        gf.load(model.to(DEVICE), golden, rules)
        without_dropout(model)
        expected = golden.group("loss")
        outputs = {n: t for n, t in golden.group("output").items() if n not in expected}
        gf.check(model(batch), outputs)
        losses = compute()
        expected.pop("L1_M")
        gf.check(losses, expected)
        model.zero_grad()
        losses["total"].backward()
        gf.check_gradients(model, golden, rules)


@pytest.mark.parametrize("name", here(NETWORKS, FEW))
def test_a_step_is_the_processors(name):
    """The same weights, clips and random draws as on the CPU: losses agree to 1e-5 relative, and
    each gradient to 1e-4 of its own norm or of a hundredth of the norm of the whole gradient,
    whichever is larger: the bias of LF_DNN's last layer gets as many twelfths as minus twelfths."""
    theirs, ours = step(name, "cpu"), step(name, DEVICE)
    assert ours.keys() == theirs.keys()
    whole = torch.stack([g.norm() for n, g in theirs.items() if not n.startswith("loss ")]).norm()
    for entry, expected in theirs.items():
        off = (ours[entry] - expected).norm()
        if entry.startswith("loss "):
            assert off <= 1e-5 * max(1.0, expected.abs()), entry
        else:
            assert off <= 1e-4 * max(expected.norm(), 1e-2 * whole), entry
