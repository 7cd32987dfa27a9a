"""The least that a training step has to do: its arithmetic, and the bytes that must move whatever
is kept in the cache."""

from __future__ import annotations

from ctypes import Structure, c_int64
from itertools import pairwise
from unittest.mock import patch

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from avmc_core.kernels import attention, dense, frames, recurrence
from avmc_core.kernels.lstm import LSTM
from avmc_core.models import mfn
from avmc_core.models.gated_memory import GatedMemory
from avmc_core.speed.bench_way import Way

# Times that each weight crosses the memory bus: read forward and backward, its gradient written and
# read, and read and written by Adam together with two moments.
CROSSINGS = 2 + 2 + 3 * 2


def least(way: Way, rows: Tensor) -> dict[str, float]:
    """Arithmetic of one step in Gflop (an addition and a multiplication count as two; only products
    of matrices, recurrences and attention are counted) and the bytes, in MB, of the batch and of
    the weights as often as they cross the bus."""
    ours = [0]

    def counting(module, called, count):
        call = getattr(module, called)

        def wrapper(name, *rest):
            ours[0] += count(name, *rest)
            return call(name, *rest)

        return patch.object(module, called, wrapper)

    with (
        FlopCounterMode(display=False) as theirs,
        counting(recurrence, "_call", _recurrence),
        counting(attention, "_call", _attention),
        counting(dense, "call", _layers),
        counting(frames, "call", _frames),
    ):
        way.step(rows)
    batch = sum(x.nbytes for x in vars(way.batch(rows)).values())
    weights = sum(p.nbytes for p in way.model.parameters() if p.requires_grad)
    return {
        "gflop": (theirs.get_total_flops() + ours[0]) / 1e9,
        "megabytes": (batch + CROSSINGS * weights) / 1e6,
    }


def dependent_steps(way: Way, rows: Tensor) -> int:
    """How many steps of recurrences one training step makes one after the other, each of which
    waits for the one before: those of the longest clip for each LSTM and each gated memory, forward
    and backward. Both directions run side by side. ``way`` must be on the CPU."""
    steps = [0]

    def counting(owner, called, count):
        call = getattr(owner, called)

        def wrapper(*given):
            steps[0] += count(*given)
            return call(*given)

        return patch.object(owner, called, wrapper)

    with (
        counting(LSTM, "over_frames", lambda rnn, frames, lengths: int(lengths.max())),
        counting(mfn, "lstm_states", lambda rnn, x, steps: steps),
        counting(GatedMemory, "forward", lambda memory, g, *rest: g.shape[1]),
    ):
        way.step(rows)
    return 2 * steps[0]


def _recurrence(name: str, lengths: Tensor, weight: Tensor, *_: Tensor | None) -> int:
    """A product with W_hh for each frame and direction, forward as backward; that of the weight's
    gradient is counted as a product of its own."""
    return 2 * int(lengths.sum()) * weight.numel()


def _attention(
    name: str, heads: int, seed: int, p: float, seen: Tensor, q: Tensor, *_: Tensor
) -> int:
    """Scores and mixing for each key seen; in the gradient scores again, and four products more."""
    return (4 if name == "attention_forward" else 10) * int(seen.sum()) * q.shape[-1]


def _layers(name: str, sizes: Structure, *_: object) -> int:
    """Of a chain, one product of each layer forward and two in the gradient."""
    if not name.startswith("chain"):
        return 0
    width = (c_int64 * (sizes.layers + 1)).from_address(sizes.width)
    products = sum(a * b for a, b in pairwise(width))
    return (2 if name == "chain_forward" else 4) * sizes.sets * sizes.rows * products


def _frames(name: str, sizes: Structure, *_: object) -> int:
    """One product, of all rows of all sets."""
    rows = (c_int64 * sizes.sets).from_address(sizes.rows)
    return 2 * sum(rows) * sizes.inputs * sizes.outputs
