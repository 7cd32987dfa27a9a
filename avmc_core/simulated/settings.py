"""How large an embedded corpus is, and from which seed it comes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avmc_core import schema
from avmc_core.errors import InputError
from avmc_core.settings import as_dict


@dataclass(frozen=True)
class Size:
    """How many clips each split has, and how many times shorter than real ones the clips are."""

    train: int
    valid: int
    test: int
    unlabelled: int
    shorter: int

    @property
    def steps(self) -> dict[str, int]:
        """T of audio and vision: the released caps, shortened and rounded up."""
        return {name: -(-schema.STEPS[name] // self.shorter) for name in ("audio", "vision")}

    @property
    def clips(self) -> dict[str, int]:
        """Clips of each split, the unlabelled ones last."""
        return {name: getattr(self, name) for name in (*schema.SPLITS, schema.UNLABELLED)}


SIZES = {
    "tiny": Size(24, 12, 16, 24, 32),
    "ci": Size(320, 100, 400, 640, 8),
    # the real splits; an unlabelled clip for each training clip
    "large": Size(2722, 647, 1034, 2722, 8),
    "full": Size(2722, 647, 1034, 10161, 1),
}


@dataclass(frozen=True)
class CorpusSettings:
    """A size by its name, and what to change in it.

    Another number of training or of unlabelled clips leaves the clips of the other splits as they
    are, so that models trained on less or more are tested on the same clips; ``shorter`` leaves
    labels and words as they are.
    """

    size: str = "ci"  # one of SIZES
    seed: int = 20220707
    train: int | None = None  # labelled training clips; None: those of the size
    unlabelled: int | None = None
    shorter: int | None = None  # sequence lengths are the real ones divided by this

    def __post_init__(self):
        if self.size not in SIZES:
            raise InputError("CorpusSettings.size", repr(self.size), f"one of {', '.join(SIZES)}")
        for name, least in (("seed", 0), ("train", 2), ("unlabelled", 1), ("shorter", 1)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least) and (
                value is not None or name == "seed"
            ):
                raise InputError(
                    f"CorpusSettings.{name}", repr(value), f"a whole number, at least {least}"
                )

    @property
    def numbers(self) -> Size:
        """The size with its changes."""
        changed = {name: getattr(self, name) for name in ("train", "unlabelled", "shorter")}
        return dataclasses.replace(
            SIZES[self.size], **{k: v for k, v in changed.items() if v is not None}
        )

    @property
    def name(self) -> str:
        """The name of the size, and whatever differs from its defaults: ``large``,
        ``large-train320``, ``ci-seed5``."""
        usual = dataclasses.asdict(CorpusSettings(self.size))
        return "-".join(
            [self.size, *(f"{k}{v}" for k, v in dataclasses.asdict(self).items() if v != usual[k])]
        )

    def as_mark(self) -> dict[str, Any]:
        """The entry on the generator in a store's manifest: the settings, without those left at the
        defaults of the size.
        """
        return {name: value for name, value in as_dict(self).items() if value is not None}


def generator_of(manifest: Mapping[str, Any]) -> CorpusSettings | None:
    """The settings of the generator that made a store, from its manifest; None if another program
    made it, or if the manifest does not say.
    """
    stated = manifest.get("generator", {})
    known = {field.name for field in dataclasses.fields(CorpusSettings)}
    return (
        CorpusSettings(**stated) if stated.get("size") in SIZES and set(stated) <= known else None
    )
