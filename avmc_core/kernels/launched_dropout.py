"""Dropout of several seeds as one launch on a GPU, in Triton.

What is dropped is a function of the seed's key, the number of the dropout within the step and the
number of the element within its seed (Philox, a generator that counts): a seed draws alone what it
draws beside others, and for the gradient what it drew before.

Only ``dropout`` imports this module, where Triton and a GPU are there.
"""

from __future__ import annotations

import triton
import triton.language as tl

DRAWS = tl.constexpr(256)  # of a program, each of four numbers
ELEMENTS = tl.constexpr(4 * 256)  # of a program


@triton.jit
def _part(x, out, own, element, elements, bits, p, scale):
    """The elements that one of the four numbers of each draw decides on."""
    at, there = own * elements + element, element < elements
    keep = tl.uint_to_uniform_float(bits) >= p
    tl.store(out + at, tl.where(keep, tl.load(x + at, mask=there) * scale, 0.0), mask=there)


# what varies from call to call must not be compiled anew
@triton.jit(do_not_specialize=["elements", "number"])
def drop(x, out, keys, elements, number, p, scale):
    """x and out (seeds, elements) float32, keys (seeds,) int64: an element is zero with
    probability p, else multiplied by ``scale``."""
    own = tl.program_id(1).to(tl.int64)
    draw = tl.program_id(0) * DRAWS + tl.arange(0, DRAWS)
    element = tl.program_id(0) * ELEMENTS + tl.arange(0, DRAWS)
    zero = draw * 0
    first, second, third, fourth = tl.philox(tl.load(keys + own), draw, zero + number, zero, zero)
    _part(x, out, own, element, elements, first, p, scale)
    _part(x, out, own, element + DRAWS, elements, second, p, scale)
    _part(x, out, own, element + 2 * DRAWS, elements, third, p, scale)
    _part(x, out, own, element + 3 * DRAWS, elements, fourth, p, scale)
