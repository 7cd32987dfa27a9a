"""The recurrence of an LSTM as one launch on a GPU, and its gradient, in Triton.

The kernels of ``resources/lstm.c`` for another machine: frames of all clips lie one after the
other, a program takes ``CLIPS`` clips of similar length, one direction and one set of weights, and
keeps W_hh, the states and their gradients on the chip for all steps. The gates of the next step are
loaded before the product of this one. Programs do not depend on each other, and no sum depends on
the order in which they run: the same bytes every time, and for a set of weights the same alone as
beside others.

Only ``launched`` imports this module, where Triton and a GPU are there. TRITON_INTERPRET=1 runs it
on a CPU, slowly.
"""

from __future__ import annotations

import triton
import triton.language as tl

CLIPS = tl.constexpr(16)  # of a program: the least that the product units take


@triton.jit
def _tanh(x):
    """Exact to a few units in the last place, small numbers included."""
    square = x * x
    series = -5.70498872745e-3 * square + 2.06390887954e-2
    series = (series * square - 5.37397155531e-2) * square + 1.33314422036e-1
    series = (series * square - 3.33332819422e-1) * square * x + x
    shrunk = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - shrunk) / (1.0 + shrunk)
    return tl.where(tl.abs(x) < 0.625, series, tl.where(x < 0, -far, far))


@triton.jit
def _sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def _clips(order, start, length, clips, group, own_set):
    """Of the clips of a group: first frame and number of frames, none for clips there are not."""
    row = group * CLIPS + tl.arange(0, CLIPS)
    clip = tl.load(order + own_set * clips + row, mask=row < clips, other=0)
    first = tl.load(start + clip, mask=row < clips, other=0)
    frames = tl.load(length + clip, mask=row < clips, other=0).to(tl.int32)
    return first, frames


@triton.jit
def _place(first, frames, step, direction, DIRECTIONS: tl.constexpr):
    """Where each clip's frame of a step lies, counted in frames and directions, (CLIPS, 1); and
    whether there is one."""
    step = step + tl.zeros_like(frames)
    frame = first + step + direction * (frames - 1 - 2 * step)
    return (frame * DIRECTIONS + direction)[:, None], ((step >= 0) & (step < frames))[:, None]


@triton.jit
def _read(tensor, at, mask, offset, width, column):
    """A (CLIPS, SIZE) part of the rows ``at`` of a tensor with ``width`` columns, from ``offset``
    on, zero where masked."""
    return tl.load(tensor + at * width + offset + column, mask=mask, other=0.0)


@triton.jit
def _square(matrix, row, column, H: tl.constexpr):
    """A (SIZE, SIZE) tile of one gate's weights (H, H), zero for units that are none."""
    return tl.load(matrix + row * H + column, mask=(row < H) & (column < H), other=0.0)


@triton.jit(do_not_specialize=["clips"])
def forward(
    gates,
    bias,
    weight,
    cell,
    out,
    order,
    start,
    length,
    clips,
    DIRECTIONS: tl.constexpr,
    H: tl.constexpr,
    SIZE: tl.constexpr,
    RESIDENT: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """gates (F, directions, 4, H): on entry W_ih x, on return i, f, g, o after their nonlinearity.
    bias (sets, directions, 4, H); weight (sets, directions, 4, H, H), of each gate W_hh transposed;
    cell and out (F, directions, H) are written. SIZE: the power of two that holds H."""
    direction, own_set = tl.program_id(1), tl.program_id(2)
    own = own_set * DIRECTIONS + direction
    first, frames = _clips(order, start, length, clips, tl.program_id(0), own_set)
    row, column = tl.arange(0, SIZE)[:, None], tl.arange(0, SIZE)[None, :]
    bias += own * 4 * H + column
    unit = column < H
    b_i = tl.load(bias, mask=unit, other=0.0)
    b_f = tl.load(bias + H, mask=unit, other=0.0)
    b_g = tl.load(bias + 2 * H, mask=unit, other=0.0)
    b_o = tl.load(bias + 3 * H, mask=unit, other=0.0)
    weight += own * 4 * H * H
    if RESIDENT:
        w_i = _square(weight, row, column, H)
        w_f = _square(weight + H * H, row, column, H)
        w_g = _square(weight + 2 * H * H, row, column, H)
        w_o = _square(weight + 3 * H * H, row, column, H)
    state = tl.zeros((CLIPS, SIZE), tl.float32)
    memory = tl.zeros((CLIPS, SIZE), tl.float32)
    at, there = _place(first, frames, 0, direction, DIRECTIONS)
    mask = there & unit
    z_i = _read(gates, at, mask, 0, 4 * H, column)
    z_f = _read(gates, at, mask, H, 4 * H, column)
    z_g = _read(gates, at, mask, 2 * H, 4 * H, column)
    z_o = _read(gates, at, mask, 3 * H, 4 * H, column)
    for step in range(0, tl.max(frames, 0)):
        next_at, there = _place(first, frames, step + 1, direction, DIRECTIONS)
        next_mask = there & unit
        next_i = _read(gates, next_at, next_mask, 0, 4 * H, column)
        next_f = _read(gates, next_at, next_mask, H, 4 * H, column)
        next_g = _read(gates, next_at, next_mask, 2 * H, 4 * H, column)
        next_o = _read(gates, next_at, next_mask, 3 * H, 4 * H, column)
        if not RESIDENT:
            w_i = _square(weight, row, column, H)
        i = _sigmoid(tl.dot(state, w_i, z_i + b_i, input_precision=PRECISION))
        if not RESIDENT:
            w_f = _square(weight + H * H, row, column, H)
        f = _sigmoid(tl.dot(state, w_f, z_f + b_f, input_precision=PRECISION))
        if not RESIDENT:
            w_g = _square(weight + 2 * H * H, row, column, H)
        g = _tanh(tl.dot(state, w_g, z_g + b_g, input_precision=PRECISION))
        if not RESIDENT:
            w_o = _square(weight + 3 * H * H, row, column, H)
        o = _sigmoid(tl.dot(state, w_o, z_o + b_o, input_precision=PRECISION))
        memory = f * memory + i * g
        state = o * _tanh(memory)
        z = gates + at * (4 * H) + column
        tl.store(z, i, mask=mask)
        tl.store(z + H, f, mask=mask)
        tl.store(z + 2 * H, g, mask=mask)
        tl.store(z + 3 * H, o, mask=mask)
        tl.store(cell + at * H + column, memory, mask=mask)
        tl.store(out + at * H + column, state, mask=mask)
        at, mask, z_i, z_f, z_g, z_o = next_at, next_mask, next_i, next_f, next_g, next_o


@triton.jit(do_not_specialize=["clips"])
def backward(
    gates,
    weight,
    cell,
    d_out,
    d_cell,
    d_gates,
    order,
    start,
    length,
    clips,
    DIRECTIONS: tl.constexpr,
    H: tl.constexpr,
    SIZE: tl.constexpr,
    RESIDENT: tl.constexpr,
    CELLS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """From the gradients of out and, with CELLS, of cell, that of the gates before their
    nonlinearity, d_gates. weight (sets, directions, 4, H, H): W_hh of each gate. At steps after a
    clip's end everything is read as zero, and the gradients of its states stay so."""
    direction, own_set = tl.program_id(1), tl.program_id(2)
    own = own_set * DIRECTIONS + direction
    first, frames = _clips(order, start, length, clips, tl.program_id(0), own_set)
    row, column = tl.arange(0, SIZE)[:, None], tl.arange(0, SIZE)[None, :]
    unit = column < H
    weight += own * 4 * H * H
    if RESIDENT:
        w_i = _square(weight, row, column, H)
        w_f = _square(weight + H * H, row, column, H)
        w_g = _square(weight + 2 * H * H, row, column, H)
        w_o = _square(weight + 3 * H * H, row, column, H)
    d_state = tl.zeros((CLIPS, SIZE), tl.float32)
    d_memory = tl.zeros((CLIPS, SIZE), tl.float32)
    steps = tl.max(frames, 0)
    at, there = _place(first, frames, steps - 1, direction, DIRECTIONS)
    mask = there & unit
    i = _read(gates, at, mask, 0, 4 * H, column)
    f = _read(gates, at, mask, H, 4 * H, column)
    g = _read(gates, at, mask, 2 * H, 4 * H, column)
    o = _read(gates, at, mask, 3 * H, 4 * H, column)
    c = _read(cell, at, mask, 0, H, column)
    d_y = _read(d_out, at, mask, 0, H, column)
    if CELLS:
        d_c = _read(d_cell, at, mask, 0, H, column)
    for done in range(0, steps):
        # the step before this one in time, which is the next to be computed
        next_at, there = _place(first, frames, steps - 2 - done, direction, DIRECTIONS)
        next_mask = there & unit
        next_i = _read(gates, next_at, next_mask, 0, 4 * H, column)
        next_f = _read(gates, next_at, next_mask, H, 4 * H, column)
        next_g = _read(gates, next_at, next_mask, 2 * H, 4 * H, column)
        next_o = _read(gates, next_at, next_mask, 3 * H, 4 * H, column)
        next_c = _read(cell, next_at, next_mask, 0, H, column)
        next_y = _read(d_out, next_at, next_mask, 0, H, column)
        t = _tanh(c)
        d_y += d_state
        d_memory += d_y * o * (1.0 - t * t)
        if CELLS:
            d_memory += d_c
            d_c = _read(d_cell, next_at, next_mask, 0, H, column)
        d_i = d_memory * g * i * (1.0 - i)
        d_f = d_memory * next_c * f * (1.0 - f)
        d_g = d_memory * i * (1.0 - g * g)
        d_o = d_y * t * o * (1.0 - o)
        d_memory = d_memory * f
        z = d_gates + at * (4 * H) + column
        tl.store(z, d_i, mask=mask)
        tl.store(z + H, d_f, mask=mask)
        tl.store(z + 2 * H, d_g, mask=mask)
        tl.store(z + 3 * H, d_o, mask=mask)
        if not RESIDENT:
            w_i = _square(weight, row, column, H)
        d_state = tl.dot(d_i, w_i, input_precision=PRECISION)
        if not RESIDENT:
            w_f = _square(weight + H * H, row, column, H)
        d_state = tl.dot(d_f, w_f, d_state, input_precision=PRECISION)
        if not RESIDENT:
            w_g = _square(weight + 2 * H * H, row, column, H)
        d_state = tl.dot(d_g, w_g, d_state, input_precision=PRECISION)
        if not RESIDENT:
            w_o = _square(weight + 3 * H * H, row, column, H)
        d_state = tl.dot(d_o, w_o, d_state, input_precision=PRECISION)
        at, mask, i, f, g, o = next_at, next_mask, next_i, next_f, next_g, next_o
        c, d_y = next_c, next_y
