"""The joint distribution of the four annotations, from counts alone.

The embedded corpus draws its labels from the distribution of maximum entropy among all joint
distributions of (M, T, A, V) that have the six real pairwise tables and the real table of the four
signs (which shows how much words count that contradict voice and face). It is found by iterative
proportional fitting, from the counts that the package carries (``label_counts``). For a split it is
raked to that split's M; T, A and V follow M as they do elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from avmc_core.errors import InputError
from avmc_core.schema import GRID, SPLITS, TASKS, level
from avmc_core.simulated.label_counts import LEVELS, shipped_counts

PLACEHOLDERS = "placeholders"  # the test clips of test1 to test15, a group with an M of its own
SHAPE = (LEVELS,) * len(TASKS)
# of the probability, spread over all cells: E[M | T, A, V] then exists for every combination
UNIFORM_SHARE = 0.001

TOLERANCE = 1e-7  # of the margins of a fitted distribution

# which of K groups each cell is in, of the distribution's shape; their shares (K,)
Margin = tuple[np.ndarray, np.ndarray]


@cache
def joint(group: str | None = None) -> np.ndarray:
    """P(M, T, A, V), (11, 11, 11, 11), axes in the order of ``schema.TASKS``; read-only.

    Without ``group``: fitted to the real clips whose four labels are of one set. With it: the same,
    raked to M of a split's clips without placeholders, or to M of the ``PLACEHOLDERS``; how T, A
    and V depend on M stays. Raises InputError for an unknown group.
    """
    counts = shipped_counts()
    if group is None:
        four = counts["four"]
        margins = [_table(pair, table) for pair, table in four["pairs"].items()]
        fitted = proportional_fit(
            np.full(SHAPE, 1.0 / LEVELS**4), [*margins, _signs(four["signs"])]
        )
    elif group in (*SPLITS, PLACEHOLDERS):
        placeholders = np.array(counts["placeholders"]["M"])
        m = (
            placeholders
            if group == PLACEHOLDERS
            else np.array(counts["M"][group]) - placeholders * (group == "test")
        )
        fitted = proportional_fit(joint(), [_table("M", m)])
    else:
        raise InputError("joint", f"{group!r}", f"one of {', '.join((*SPLITS, PLACEHOLDERS))}")
    fitted.flags.writeable = False
    return fitted


def proportional_fit(start: np.ndarray, margins: Sequence[Margin]) -> np.ndarray:
    """Iterative proportional fitting: the distribution nearest to ``start`` (in relative entropy)
    with the given margins.

    Ends when no margin is off by more than ``TOLERANCE`` in any group. Raises InputError if they
    cannot be met together.
    """
    p = (start / start.sum()).ravel()
    for _ in range(2000):
        worst = 0.0
        for groups, wanted in margins:
            shares = np.bincount(groups.ravel(), p, minlength=len(wanted))
            worst = max(worst, np.abs(shares - wanted).max())
            factors = np.divide(wanted, shares, out=np.zeros_like(shares), where=shares > 0)
            p = p * factors[groups.ravel()]
        if worst < TOLERANCE:
            return p.reshape(start.shape)
    raise InputError(
        "proportional_fit",
        f"margins off by {worst:.2g}",
        f"margins that agree within {TOLERANCE:.2g}",
    )


def sample(rng: np.random.Generator, p: np.ndarray, n: int) -> np.ndarray:
    """``n`` joint draws from ``p`` (the joint of all four tasks), as labels on the grid, (n, 4), in
    random order.

    A systematic draw (one random offset, equal steps through the cells, M outermost): each single
    draw follows ``p``, and the class counts of M, hence of a small corpus, stay as near to their
    expectation as whole numbers can.
    """
    points = (np.arange(n) + rng.random()) / n
    cells = np.minimum(np.searchsorted(np.cumsum(p.ravel()), points, side="right"), p.size - 1)
    return GRID[np.stack(np.unravel_index(rng.permutation(cells), p.shape), axis=1)]


def expected_multimodal(labels: np.ndarray, group: str | None = None) -> np.ndarray:
    """E[M | T, A, V] under ``joint(group)``: the generating rule as a regression. ``labels`` (N, 3)
    T, A, V; result (N,).

    Where an annotation is NaN the expectation is over it as well. No predictor of M from the three
    latent labels has a smaller mean squared error on an embedded corpus.
    """
    p, known = joint(group), ~np.isnan(labels)
    expected = np.empty(len(labels))
    for pattern in np.unique(known, axis=0):
        rows = (known == pattern).all(axis=1)
        rest = p.sum(axis=tuple(1 + k for k in np.flatnonzero(~pattern)))  # M and what is known
        table = np.tensordot(GRID, rest, axes=1) / rest.sum(axis=0)
        expected[rows] = table[tuple(level(labels[rows][:, pattern]).T)]
    return expected


def spread(task: str) -> float:
    """Standard deviation of the labels of a task (M, T, A or V) in the training split, in label
    units."""
    own = joint("train").sum(axis=tuple(k for k in range(len(TASKS)) if k != TASKS.index(task)))
    return float(np.sqrt(own @ GRID**2 - (own @ GRID) ** 2))


def _table(tasks: str, table: Sequence) -> Margin:
    """The margin over the levels of some tasks, from counts."""
    axes = [TASKS.index(task) for task in tasks]
    return _margin([np.arange(LEVELS)] * len(axes), axes, np.asarray(table, float))


def _signs(table: Sequence) -> Margin:
    """The margin over the signs of all tasks, from counts."""
    return _margin(
        [np.sign(np.arange(LEVELS) - LEVELS // 2) + 1] * len(TASKS),
        range(len(TASKS)),
        np.asarray(table, float),
    )


def _margin(codes: Sequence[np.ndarray], axes: Sequence[int], counts: np.ndarray) -> Margin:
    """``codes``: on each of ``axes``, what a level counts as; ``counts`` by code, one dimension
    an axis.
    """
    places = np.indices(SHAPE)
    groups = np.ravel_multi_index(
        [code[places[axis]] for code, axis in zip(codes, axes, strict=True)], counts.shape
    )
    uniform = np.bincount(groups.ravel(), minlength=counts.size) / groups.size
    return groups, (1 - UNIFORM_SHARE) * counts.ravel() / counts.sum() + UNIFORM_SHARE * uniform
