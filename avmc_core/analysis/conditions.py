"""The conditions under which test clips are changed, to see what a model relies on: modalities
removed, exchanged between clips, disturbed, or misheard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from avmc_core import schema
from avmc_core.analysis.perturbations import Usual, noised, permuted, removed, usual
from avmc_core.analysis.transcription_errors import KINDS, encoder_of, transcribed
from avmc_core.data.store import Split, Store

# text, audio, vision present
COALITIONS = tuple(product((False, True), repeat=len(schema.MODALITIES)))
ALL = COALITIONS[-1]
# ("with", coalition), ("permuted", modality, draw), ("noised", modality, scale), ("heard", kind,
# rate)
Condition = tuple
Wanted = Callable[[Condition], bool]


@dataclass(frozen=True)
class Plan:
    """The conditions applied to the test clips, in addition to the eight subsets of the
    modalities."""

    permutations: int = 2  # of each modality
    scale: float = 1.0  # of the noise, as in perturbations.noised
    # of recognition errors of each kind; none: no errors are made
    rates: tuple[float, ...] = (0.05, 0.2, 0.4)
    seed: int = 0

    def conditions(
        self, store: Store, wanted: Wanted = lambda condition: True
    ) -> Iterator[tuple[Condition, Split]]:
        """Yields one changed test split at a time, for the conditions ``wanted``; the others are
        not generated. Raises InputError where there are rates and no text encoder for the store."""
        test, average = store.split("test"), usual(store)
        yield from coalitions(test, average, wanted)
        yield from disturbances(test, average, self.permutations, self.scale, self.seed, wanted)
        if self.rates:
            yield from misheard(test, store, self.rates, self.seed, wanted)


USUAL = Plan()


def named(plan: Plan) -> Iterator[Condition]:
    """The names of the conditions of a plan, in the order in which ``conditions`` yields them."""
    yield from (("with", present) for present in COALITIONS)
    for name in schema.MODALITIES:
        yield from (("permuted", name, draw) for draw in range(plan.permutations))
        yield ("noised", name, plan.scale)
    yield ("heard", "none", 0.0)
    yield from (("heard", kind, rate) for kind in KINDS for rate in plan.rates)


def coalitions(
    split: Split, average: Usual, wanted: Wanted = lambda condition: True
) -> Iterator[tuple[Condition, Split]]:
    """The eight subsets of the modalities; the absent ones are removed."""
    for present in COALITIONS:
        absent = [name for name, there in zip(schema.MODALITIES, present, strict=True) if not there]
        if wanted(condition := ("with", present)):
            yield condition, removed(split, absent, average) if absent else split


def disturbances(
    split: Split,
    average: Usual,
    permutations: int = 3,
    scale: float = 1.0,
    seed: int = 0,
    wanted: Wanted = lambda condition: True,
) -> Iterator[tuple[Condition, Split]]:
    """Each modality permuted several times, and noised once; ``scale`` as in
    ``perturbations.noised``."""
    for place, name in enumerate(schema.MODALITIES):
        for draw in range(permutations):
            if wanted(condition := ("permuted", name, draw)):
                rng = np.random.default_rng([seed, place, draw])
                yield condition, permuted(split, name, rng)
        if wanted(condition := ("noised", name, scale)):
            rng = np.random.default_rng([seed, place, permutations])
            yield condition, noised(split, name, scale, average, rng)


def misheard(
    split: Split,
    store: Store,
    rates: Iterable[float],
    seed: int = 0,
    wanted: Wanted = lambda condition: True,
) -> Iterator[tuple[Condition, Split]]:
    """Recognition errors of each kind at each rate, and a condition without errors, in which the
    same sentences are encoded again."""
    errors = [("none", 0.0), *((kind, rate) for kind in KINDS for rate in rates)]
    if errors := [(kind, rate) for kind, rate in errors if wanted(("heard", kind, rate))]:
        encoder = encoder_of(store)
        for kind, rate in errors:
            error = KINDS[0] if kind == "none" else kind
            yield ("heard", kind, rate), transcribed(split, error, rate, store, encoder, seed)
