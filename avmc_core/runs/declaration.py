"""How an experiment is declared: its rows, what a profile changes in them, and the resulting grid
of runs on a given store."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from avmc_core import schema
from avmc_core.data.splits import PUBLISHED, SplitProtocol
from avmc_core.data.store import Store
from avmc_core.errors import InputError
from avmc_core.models.registry import capabilities, settings_of, without
from avmc_core.runs.store import Run
from avmc_core.runs.surroundings import default_device
from avmc_core.text_encoder import encoder_name, locate

# the laboratory's own list; the paper's released run uses the first alone (D12)
SEEDS = (1111, 1112, 1113, 1114, 1115)

ON_A_GPU = 16  # seeds at the profile "full" on a GPU, which trains AV-MC's side by side

# The published settings have no limit on epochs; two cores want one.
PROFILE_CHANGES: dict[str, tuple[tuple[str, Any], ...]] = {
    "ci": (("training.max_epochs", 60),),
    "full": (),
}

NO_ENCODER = "no text encoder"  # how a row is left out that this machine and not the store stops

# stands in for the unimodal LSTM where a store holds every layer of a speech network
LAYERED = "Layered LSTM"


@dataclass(frozen=True)
class Row:
    """One row of a table: a model, and its changes to the published settings."""

    name: str
    model: str
    changes: tuple[tuple[str, Any], ...] = ()
    published: str = ""  # row of the published table that it stands beside
    seeded: bool = True  # False: the result does not depend on the seed, so one run is enough
    ci: tuple[tuple[str, Any], ...] = ()  # what the ci profile changes besides, for this row
    protocol: SplitProtocol = PUBLISHED  # which clips and features it sees

    def changes_at(self, profile: str) -> tuple[tuple[str, Any], ...]:
        """The changes to the published settings at a profile; the row's own changes come last and
        take precedence. Raises InputError for an unknown profile."""
        if profile not in PROFILE_CHANGES:
            raise InputError("profile", repr(profile), f"one of {', '.join(PROFILE_CHANGES)}")
        limits = (
            (*PROFILE_CHANGES[profile], *(self.ci if profile == "ci" else ()))
            if self.seeded
            else ()
        )
        return (*limits, *self.changes)


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper and the runs behind it."""

    title: str
    source: str  # where in the paper
    rows: tuple[Row, ...]
    seeds: tuple[tuple[str, tuple[int, ...]], ...] = (("ci", SEEDS[:3]), ("full", SEEDS))
    corpora: tuple[str, ...] = ("ci",)  # sizes of the simulated corpora that stand in for a store

    def runs(
        self, profile: str, seeds: tuple[int, ...] | None = None, store: Store | None = None
    ) -> list[Run]:
        """The grid for a profile, without the rows that are ``left_out`` on ``store``. ``seeds``:
        by default those of ``default_seeds``. Raises InputError for an unknown profile."""
        chosen = seeds or self.default_seeds(profile)
        return [
            Run(row.model, seed, row.changes_at(profile), row.name, row.protocol)
            for row in filter(None, (_on(store, row, profile) for row in self.rows))
            # a seed deals a re-split, too
            for seed in (chosen if row.seeded or row.protocol.resplit else chosen[:1])
        ]

    def default_seeds(self, profile: str) -> tuple[int, ...]:
        """As many as $AVMC_SEEDS says; without it, at the profile "full" on a GPU ``ON_A_GPU``,
        else those declared. Raises InputError for an unknown profile, and where $AVMC_SEEDS is not
        a number of seeds."""
        declared = dict(self.seeds)
        if profile not in declared:  # an experiment may declare fewer
            raise InputError("profile", repr(profile), f"one of {', '.join(declared)}")
        number = os.environ.get("AVMC_SEEDS", "")
        if number and not (number.isdecimal() and int(number)):
            raise InputError("AVMC_SEEDS", repr(number), "a whole number of seeds, from 1 on")
        if not number and (profile != "full" or default_device() != "cuda"):
            return declared[profile]
        return tuple(SEEDS[0] + place for place in range(int(number or ON_A_GPU)))

    def left_out(self, store: Store | None, profile: str = "full") -> dict[str, str]:
        """Name to reason of the rows that cannot run on ``store`` at a profile."""
        return {
            row.name: lacking for row in self.rows if (lacking := _lacking(store, row, profile))
        }

    def not_run(self, store: Store | None, profile: str) -> str:
        """The rows that are ``left_out``, as a sentence for a page; "" if there are none."""
        lost = self.left_out(store, profile).items()
        reasons = "; ".join(f"{row}: {lacking}" for row, lacking in lost)
        return f"Not run: {reasons}." if reasons else ""


def _lacking(store: Store | None, row: Row, profile: str) -> str:
    """What a row needs and a store or this machine lacks, in words; "" if nothing."""
    if row.protocol.audio != "audio" and (store is None or row.protocol.audio not in store.extras):
        return f"no features {row.protocol.audio}"
    settings = settings_of(row.model, dict(row.changes_at(profile)))
    if store is not None and (lost := without(store, row.model, settings)):
        return lost
    labelled_only = store is not None and schema.UNLABELLED not in store.splits
    if labelled_only and capabilities(row.model, settings).unlabelled:
        return "no unlabelled clips"
    # a simulated corpus has an encoder; one that is there is read before anything is computed
    real = store is not None and not store.simulated
    encoded = real and capabilities(row.model, settings).text_encoder
    if encoded and locate(encoder_name()) is None:
        return f"{NO_ENCODER} {encoder_name()} (set AVMC_BERT to its folder)"
    return ""


def _on(store: Store | None, row: Row, profile: str) -> Row | None:
    """The row as it runs on a store, None where that lacks something; where features hold every
    layer of a speech network, the layers' weights are learned."""
    if _lacking(store, row, profile):
        return None
    if row.protocol.audio == "audio":
        return row
    layers = store.manifest["source"].get("extraction", {}).get("wav2vec_layers", 0)
    return (
        replace(row, model=LAYERED, changes=(*row.changes, ("layers", layers))) if layers else row
    )
