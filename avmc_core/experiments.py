"""Experiments declared once: the grid of runs, the notebooks and the book's pages all follow from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from avmc_core.errors import InputError
from avmc_core.runs import Run

SEEDS = (1111, 1112, 1113, 1114, 1115)  # the laboratory's own list; the paper's released run uses the first alone (D12)


@dataclass(frozen=True)
class Row:
    """One line of a table: a model, and what differs from its published settings."""

    name: str
    model: str
    changes: tuple[tuple[str, Any], ...] = ()
    published: str = ""  # row of the published table that it stands beside
    seeded: bool = True  # False: the result does not depend on the seed, so one run is enough


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper and the runs behind it."""

    title: str
    source: str  # where in the paper
    rows: tuple[Row, ...]
    seeds: tuple[tuple[str, tuple[int, ...]], ...] = (("ci", SEEDS[:3]), ("full", SEEDS))

    def runs(self, profile: str, seeds: tuple[int, ...] | None = None) -> list[Run]:
        """The grid for a profile. Raises InputError for an unknown profile."""
        declared = dict(self.seeds)
        if profile not in declared:
            raise InputError("profile", repr(profile), f"one of {', '.join(declared)}")
        chosen = seeds or declared[profile]
        limit = PROFILE_CHANGES[profile]
        return [
            Run(row.model, seed, (*(limit if row.seeded else ()), *row.changes), row.name)
            for row in self.rows
            for seed in (chosen if row.seeded else chosen[:1])
        ]


# The published settings have no limit on epochs; two cores want one.
PROFILE_CHANGES: dict[str, tuple[tuple[str, Any], ...]] = {"ci": (("training.max_epochs", 60),), "full": ()}

FIVE = (("ci", SEEDS), ("full", SEEDS))
VARIANTS = ("released", "paper")

# Table 4's rows, each what it takes away from AV-MC.
ABLATIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "w/o Mixup-AV & Unimodal tasks": (("unimodal_tasks", False),),  # without unimodal heads nothing can be mixed
    "w/o Mixup-AV": (("mix_audio", False), ("mix_vision", False)),
    "w/o Mixup-A": (("mix_audio", False),),
    "w/o Mixup-V": (("mix_vision", False),),
    "AV-MC": (),
}
# What the paper leaves open about its mixup, as changes to the printed equations with the released draw (D07, D08).
MIXUPS: dict[str, tuple[tuple[str, Any], ...]] = {
    "Beta(1, 1), one lambda a batch": (),
    "Beta(0.2, 0.2)": (("mixup.alpha", 0.2), ("mixup.beta", 0.2)),
    "Beta(4, 4)": (("mixup.alpha", 4.0), ("mixup.beta", 4.0)),
    "one lambda a clip": (("mixup.per_clip", True),),
    "detached targets": (("mixup.detach_targets", True),),
}

TRIVIAL = tuple(Row(name, name, seeded=False) for name in ("Constant", "Text-only ridge", "Late mean"))

EXPERIMENTS: dict[str, Experiment] = {
    "avmc": Experiment(
        title="AV-MC, supervised and semi-supervised, as printed and as released",
        source="Table 2, last two rows",
        rows=(
            *TRIVIAL,
            Row("AV-MC (released)", "AV-MC", published="AV-MC"),
            Row("AV-MC (paper)", "AV-MC", (("variant", "paper"),), published="AV-MC"),
            Row("AV-MC(Semi) (released)", "AV-MC(Semi)", published="AV-MC(Semi)"),
            Row("AV-MC(Semi) (paper)", "AV-MC(Semi)", (("variant", "paper"),), published="AV-MC(Semi)"),
        ),
    ),
    "table4": Experiment(
        title="What each part of supervised AV-MC contributes, as printed and as released",
        source="Table 4",
        rows=tuple(
            Row(f"{name} ({variant})", "AV-MC", (("variant", variant), *changes), published=name)
            for variant in VARIANTS
            for name, changes in ABLATIONS.items()
        ),
        seeds=FIVE,
    ),
    "mixup": Experiment(
        title="What the paper leaves open about the mixup",
        source="Section 4.1",
        rows=tuple(Row(name, "AV-MC", (("variant", "paper"), *changes)) for name, changes in MIXUPS.items()),
    ),
}


def experiment(name: str) -> Experiment:
    """Raises InputError for an experiment that is not declared."""
    if name not in EXPERIMENTS:
        raise InputError("experiment", repr(name), f"one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
