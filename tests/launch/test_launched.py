"""The recurrence for a GPU equals the compiled one, layer by layer and in a whole network, and it
compiles for a GPU on a machine without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import golden_files as gf
import pytest
import torch
from golden_cases import CASES

from avmc_core.kernels.recurrence import recurrence

CLOSE = {"rtol": 1e-6, "atol": 1e-6}
# float32 sums of some dozen frames, of numbers up to about 10 in size
SUMS = {"rtol": 2e-6, "atol": 4e-6}


def states_and_gradients(gates, bias, weight, lengths):
    leaves = [x.clone().requires_grad_() for x in (gates, bias, weight)]
    outputs, cells = recurrence(leaves[0].clone(), *leaves[1:], lengths)
    (outputs.sin().sum() + cells.cos().sum()).backward()
    return outputs, cells, *(x.grad for x in leaves)


def case(hidden: int, directions: int, lengths: torch.Tensor):
    torch.manual_seed(hidden)
    sets, frames = len(lengths), int(lengths.sum())
    gates = torch.randn(frames, directions, 4, hidden)
    bias = 0.1 * torch.randn(sets, directions, 4, hidden)
    weight = torch.randn(sets, directions, 4, hidden, hidden) / hidden**0.5
    return gates, bias, weight, lengths


@pytest.mark.parametrize(
    ("hidden", "directions", "lengths"),
    [
        (5, 1, [[4, 1, 3]]),
        (25, 2, [[3, 6, 1, 2], [1, 1, 5, 2]]),
        (128, 1, [[2, 3]]),  # reads its weights at every step
    ],
)
def test_equals_the_compiled_recurrence(launch, hidden, directions, lengths):
    """Fewer units than a tile holds, both directions, and two sets of weights."""
    inputs, found = case(hidden, directions, torch.tensor(lengths)), []
    for yes in (True, False):
        launch(yes)
        found.append(states_and_gradients(*inputs))
    for number, (ours, theirs) in enumerate(zip(*found, strict=True)):
        torch.testing.assert_close(ours, theirs, **(CLOSE if number < 2 else SUMS))


@pytest.mark.parametrize("directions", [1, 2])
def test_equally_many_rows_for_each_set(launch, directions):
    """Three sets in the layout of a GPU, whose idle rows hold whatever a layer before made of
    them, against the compiled recurrence on frames one after the other. Outputs, cells and the
    gradient of the gates are zero in idle rows."""
    lengths = torch.tensor([[3, 1, 2], [1, 5, 4], [1, 1, 1]])
    rows = lengths.sum(1).tolist()
    gates, *rest = case(3, directions, lengths)
    launch(False)
    expected = states_and_gradients(gates, *rest)
    apart = torch.randn(3, max(rows), *gates.shape[1:])
    for own, part in zip(apart, gates.split(rows), strict=True):
        own[: len(part)] = part
    launch(True)
    found = states_and_gradients(apart, *rest)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if number < 3:
            assert all(own[n:].eq(0).all() for own, n in zip(ours, rows, strict=True))
            ours = torch.cat([own[:n] for own, n in zip(ours, rows, strict=True)])
        torch.testing.assert_close(ours, theirs, **(CLOSE if number < 2 else SUMS))


def test_more_clips_than_a_program_takes_and_company_changes_no_byte(launch):
    """Two sets of 18 clips side by side, compared with the second set alone."""
    launch(True)
    lengths = torch.randint(1, 4, (2, 18), generator=torch.Generator().manual_seed(4))
    gates, bias, weight, _ = inputs = case(3, 2, lengths)
    first = int(lengths[0].sum())
    both = states_and_gradients(*inputs)
    alone = states_and_gradients(gates[first:], bias[1:], weight[1:], lengths[1:])
    for number, (beside, own) in enumerate(zip(both, alone, strict=True)):
        assert torch.equal(beside[first:] if number < 3 else beside[1:], own)


def test_gradients_of_the_outputs_alone(launch):
    launch(True)
    gates, bias, weight, lengths = case(2, 1, torch.tensor([[3, 2]]))
    for part in (0, 1):
        leaf = gates.clone().requires_grad_()
        recurrence(leaf.clone(), bias, weight, lengths)[part].sum().backward()
        launch(False)
        expected = gates.clone().requires_grad_()
        recurrence(expected.clone(), bias, weight, lengths)[part].sum().backward()
        launch(True)
        torch.testing.assert_close(leaf.grad, expected.grad, **SUMS)


@pytest.mark.parametrize("name", ["AVMC_semi_released"])
def test_a_network_equals_the_reference_and_the_compiled_one(launch, name):
    """Two stacked recurrences of both directions, audio and vision."""
    golden, found = gf.read(name), []
    for yes in (True, False):
        launch(yes)
        model, rules, _, losses = CASES[name](golden)
        gf.load(model, golden, rules)
        values = losses()
        values["total"].backward()
        gf.check(values, {n: t for n, t in golden.group("loss").items() if n != "L1_M"})
        gf.check_gradients(model, golden, rules)
        found.append({**values, **{n: p.grad for n, p in model.named_parameters()}})
    gf.check(*found, tolerance=2e-6)


COMPILES = """
import sys
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from avmc_core.kernels import launched_dropout, launched_lstm
def compiled(kernel, signature, constants):
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    options = {"num_warps": 4, "num_stages": 1}
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
of = {"keys": "*i64", "elements": "i32", "number": "i32", "p": "fp32", "scale": "fp32"}
drop = launched_dropout.drop
compiled(drop, {n: of.get(n, "*fp32") for n in drop.arg_names}, {})
fixed = {"DIRECTIONS": 2, "H": 32, "SIZE": 32, "RESIDENT": True}
fixed |= {"PRECISION": "tf32x3", "CELLS": True}
for kernel in (launched_lstm.forward, launched_lstm.backward):
    names = kernel.arg_names
    of = {"clips": "i32", "order": "*i64", "start": "*i64", "length": "*i64"}
    signature = {n: "constexpr" if n in fixed else of.get(n, "*fp32") for n in names}
    constants = {(names.index(n),): value for n, value in fixed.items() if n in names}
    made = compiled(kernel, signature, constants)
    assert "mma.sync" in made.asm["ptx"] and made.metadata.shared < 99 * 1024
"""


def test_it_compiles_for_a_gpu(tmp_path):
    """With tensor cores, and with no more memory on the chip than every card since 2020 has."""
    surroundings = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILES],
        env={**surroundings, "TRITON_CACHE_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


ON_A_CPU = """
import sys
import torch
from avmc_core.kernels.lstm import LSTM
LSTM(3, 5)(torch.randn(2, 4, 3), torch.tensor([4, 2]))[0].sum().backward()
assert "triton" not in sys.modules and "avmc_core.kernels.launched_lstm" not in sys.modules
"""


def test_a_processor_imports_no_triton():
    done = subprocess.run(
        [sys.executable, "-c", ON_A_CPU],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
