"""Decides where the recurrence of an LSTM is a single launch on a GPU (``launched_lstm``), and
launches it.

It needs Triton, which PyTorch's CUDA builds bring along, and a C compiler, with which Triton builds
its launcher. Where either is missing, or a layer has more than LARGEST hidden units, cuDNN computes
instead; a warning says once that something is missing. Triton is imported on a GPU only.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from avmc_core.kernels import gpu
from avmc_core.kernels.lengths import by_length, rows_of_a_set

LARGEST = 128  # hidden units
RESIDENT = 64  # up to so many, a program may keep W_hh on the chip

# Each float32 factor as a sum of two TF32 numbers, three products of which are added: as exact as
# float32 products, and with the tensor cores' speed. "ieee" would be float32 products.
PRECISION = "tf32x3"


def takes(x: Tensor, hidden: int) -> bool:
    """Whether the launched recurrence can compute it."""
    return gpu.on_gpu(x) and x.dtype == torch.float32 and possible(hidden)


def possible(hidden: int) -> bool:
    """Whether this GPU can launch the recurrence of a layer with so many hidden units."""
    return hidden <= LARGEST and resident(_size(hidden)) is not None


@cache
def resident(size: int) -> bool | None:
    """Whether programs for layers of this size keep W_hh on the chip, or read it again at every
    step, as on cards with less memory on the chip; None where they cannot be launched at all. This
    is found out by launching them, once; a failure is reported once."""
    failure: Exception | None = None
    for stays in [True, False] if size <= RESIDENT else [False]:
        try:
            _try(size, stays)
            return stays
        except Exception as error:  # whatever a compiler, its driver or a lack of memory may raise
            failure = failure or error
    warnings.warn(
        f"recurrences with {size} hidden units are left to cuDNN: Triton does not run here "
        f"({type(failure).__name__}: {failure})",
        stacklevel=2,
    )
    return None


def _try(size: int, stays: bool) -> None:
    """One clip of one frame."""
    one = torch.ones(1, 1, dtype=torch.int64, device="cuda")
    gates = torch.zeros(1, 1, 4, size, device="cuda")
    weight = torch.zeros(1, 1, 4, size, size, device="cuda")
    out, cell = forward(gates, gates.clone(), weight, one, stays)
    backward(gates, weight, cell, out, cell, one, stays)
    torch.cuda.synchronize()


def forward(
    gates: Tensor, bias: Tensor, weight: Tensor, lengths: Tensor, stays: bool | None = None
) -> tuple[Tensor, Tensor]:
    """Outputs and cell states (F, directions, h), or (S, R, directions, h), from what
    ``recurrence`` takes; the gates are overwritten with their values after the nonlinearity.
    float32, ``gates`` contiguous. ``stays``: as ``resident`` finds it where None."""
    from avmc_core.kernels import launched_lstm

    out, cell = (_new(gates, (*gates.shape[:-2], gates.shape[-1])) for _ in range(2))
    grid, sizes, constants = _launch(gates, weight, lengths, stays)
    turned = weight.mT.contiguous()
    launched_lstm.forward[grid](gates, bias.contiguous(), turned, cell, out, *sizes, **constants)
    return out, cell


def backward(
    gates: Tensor,
    weight: Tensor,
    cell: Tensor,
    d_out: Tensor,
    d_cell: Tensor | None,
    lengths: Tensor,
    stays: bool | None = None,
) -> Tensor:
    """The gradient of the gates before their nonlinearity, in the shape of the gates."""
    from avmc_core.kernels import launched_lstm

    d_gates = _new(gates, gates.shape)
    grid, sizes, constants = _launch(gates, weight, lengths, stays)
    launched_lstm.backward[grid](
        gates,
        weight.contiguous(),
        cell,
        d_out,
        d_out if d_cell is None else d_cell,
        d_gates,
        *sizes,
        **constants,
        CELLS=d_cell is not None,
    )
    return d_gates


def _new(gates: Tensor, shape: Sequence[int]) -> Tensor:
    """For a number of every frame; zero where there may be idle rows, which no program writes."""
    idle = rows_of_a_set(gates, 3) is not None and len(gates) > 1
    return gates.new_zeros(shape) if idle else gates.new_empty(shape)


def _launch(
    gates: Tensor, weight: Tensor, lengths: Tensor, stays: bool | None
) -> tuple[tuple, tuple, dict]:
    """The grid (groups of clips, directions, sets of weights), the arguments that say which clips,
    and the constants."""
    from avmc_core.kernels.launched_lstm import CLIPS

    sets, directions, _, _, h = weight.shape
    clips, size = lengths.shape[1], _size(h)
    constants = {
        "DIRECTIONS": directions,
        "H": h,
        "SIZE": size,
        "RESIDENT": resident(size) if stays is None else stays,
        "PRECISION": PRECISION,
        "num_warps": {16: 2, 32: 4}.get(size, 8),
        "num_stages": 1,
    }
    grid = (-(-clips // CLIPS.value), directions, sets)
    return grid, (*by_length(lengths, rows_of_a_set(gates, 3)), clips), constants


def _size(hidden: int) -> int:
    """The power of two that holds so many units, at least the 16 that a product takes."""
    return max(16, 1 << (hidden - 1).bit_length())
