"""Which clips of a store a run trains on, selects epochs on and is scored on: the published splits,
or others for a particular question.

Everything but standardised features is a view: no feature is copied, whatever is left out or moved
to another split.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.data.ragged import Ragged, Selection
from avmc_core.data.store import Split, Store, joined_splits
from avmc_core.errors import InputError

# a quarter for test and a fifth of the rest for validation are nearly the published sizes
FOLDS = 4
INNER_FOLDS = 5
RESPLITS = ("", "by video", "by clip")


@dataclass(frozen=True)
class SplitProtocol:
    """The defaults are the published splits with the released features.

    A re-split pools the labelled clips but the placeholders, whose unimodal annotations say
    nothing, and makes train, valid and test anew, ``fold`` by ``fold``, so that each clip is tested
    once. "by video" keeps a source video's clips together; "by clip" has the same sizes and as many
    clips of each sentiment class in each part, but the clips change places regardless of their
    video. The run's seed draws the folds, so that an interval over seeds includes the variation
    between splits.
    """

    # share of the training clips used; drawn by the run's seed, smaller sets within larger ones
    labelled: float = 1.0
    resplit: str = ""
    fold: int = 0  # of FOLDS
    audio: str = "audio"  # or features of ``schema.EXTRAS`` that stand in for it
    standardised: bool = False  # audio and vision, by the frames of the clips trained on

    def __post_init__(self):
        stand_ins = [name for name, modality in schema.EXTRAS.items() if modality == "audio"]
        for field, fits, expected in (
            ("labelled", 0 < self.labelled <= 1, "a share above 0, at most 1"),
            ("resplit", self.resplit in RESPLITS, f"one of {', '.join(map(repr, RESPLITS))}"),
            (
                "fold",
                self.fold in range(FOLDS if self.resplit else 1),
                f"0 to {FOLDS - 1} of a re-split, else 0",
            ),
            ("audio", self.audio in ("audio", *stand_ins), f"one of audio, {', '.join(stand_ins)}"),
            ("standardised", isinstance(self.standardised, bool), "true or false"),
        ):
            if not fits:
                raise InputError(f"SplitProtocol.{field}", repr(getattr(self, field)), expected)

    @property
    def seeded(self) -> bool:
        """Whether runs that differ in their seed see different clips."""
        return self.labelled < 1 or bool(self.resplit)

    def of(self, store: Store, seed: int) -> Store:
        """The store as a run with this seed sees it. Raises InputError for features that it does
        not have."""
        splits = dict(store.splits)
        if self.audio != "audio":
            if self.audio not in store.extras:
                raise InputError(
                    store.path, f"no {self.audio}", "a store that was extracted with these features"
                )
            splits = {name: _instead(split, self.audio) for name, split in splits.items()}
        if self.resplit:
            pool = joined_splits("labelled", *(splits[name] for name in schema.SPLITS))
            splits |= {
                name: take(pool, rows, name)
                for name, rows in resplit_rows(store, self, seed).items()
            }
        if self.labelled < 1:
            rows = nested_order(splits["train"].clips["M"].to_numpy() / store.limit, seed)
            splits["train"] = take(
                splits["train"], np.sort(rows[: round(self.labelled * len(rows))]), "train"
            )
        if self.standardised:
            known = scales(splits["train"])
            splits = {name: standardised(split, known) for name, split in splits.items()}
        return dataclasses.replace(store, splits=splits)

    def seen(self, clips: Split, store: Store, seed: int) -> Split:
        """Any ``clips`` in the form in which a network reads them that was trained on ``store`` by
        a run with this seed: scaled by the statistics of its training clips, if it standardises."""
        if not self.standardised:
            return clips
        raw = dataclasses.replace(self, standardised=False).of(store, seed)
        return standardised(clips, scales(raw.split("train")))


PUBLISHED = SplitProtocol()
Scales = dict[str, tuple[np.ndarray, np.ndarray]]  # modality to mean and spread of a frame, (D,)


def scales(train: Split) -> Scales:
    """Mean and standard deviation of each acoustic and visual column over all frames of the clips
    of ``train``, in float64; a column that never changes has a spread of 1."""
    statistics = {}
    for name in ("audio", "vision"):
        ragged = getattr(train, name)
        frames = np.concatenate([ragged[row] for row in range(len(ragged))]).astype(np.float64)
        spread = frames.std(axis=0)
        statistics[name] = frames.mean(axis=0), np.where(spread > 0, spread, 1.0)
    return statistics


def standardised(split: Split, by: Scales) -> Split:
    """The split with audio and vision on these scales. Unlike the other views it is a copy of
    those features, and takes as much memory as they do."""
    changed = {}
    for name, (mean, spread) in by.items():
        ragged = getattr(split, name)
        source = ragged.source if isinstance(ragged, Selection) else ragged
        parts = tuple(
            (((values - mean) / spread).astype(np.float32), offsets)
            for values, offsets in source.parts
        )
        scaled = Ragged.of(parts, source.steps)
        changed[name] = (
            Selection.of(scaled, ragged.rows) if isinstance(ragged, Selection) else scaled
        )
    return dataclasses.replace(split, **changed)


def take(split: Split, rows: np.ndarray, name: str) -> Split:
    """The clips ``rows`` of a split, as a split of that name."""
    ragged = {
        modality: Selection.of(getattr(split, modality), rows) for modality in schema.MODALITIES
    }
    arrays = {key: getattr(split, key)[rows] for key in ("tokens", "labels", "mask")}
    extras = {extra: Selection.of(features, rows) for extra, features in split.extras.items()}
    return Split(
        name, split.clips.iloc[rows].reset_index(drop=True), **ragged, **arrays, extras=extras
    )


def nested_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """An order (N,) of clips, with labels in [-1, 1], such that every beginning of it is a random
    sample that holds each sentiment class in its share."""
    rng = np.random.default_rng(seed)
    classes = schema.sentiment_class(labels)
    place = np.empty(len(labels))
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        place[rows] = (rng.permutation(len(rows)) + rng.random()) / len(rows)
    return np.argsort(place, kind="stable")


def resplit_rows(store: Store, protocol: SplitProtocol, seed: int) -> dict[str, np.ndarray]:
    """Rows of train, valid and test in a fold of the re-split that ``seed`` deals: places among the
    labelled clips, in the order of the store. Raises InputError for fewer source videos than folds.
    """
    clips = pooled_clips(store)
    kept = np.flatnonzero(~placeholder_clips(clips))
    clips = clips.iloc[kept]
    classes = schema.sentiment_class(clips["M"].to_numpy() / store.limit)
    videos = clips["video_id"].to_numpy()
    if len(np.unique(videos)) < FOLDS + INNER_FOLDS:
        raise InputError(
            store.path, f"{len(np.unique(videos))} source videos", f"at least {FOLDS + INNER_FOLDS}"
        )
    rest, test = _folds(FOLDS, classes, videos, seed)[protocol.fold]
    train, valid = _folds(INNER_FOLDS, classes[rest], videos[rest], seed)[0]
    moved = np.arange(len(kept))
    if protocol.resplit == "by clip":
        rng = np.random.default_rng(seed)
        for one in np.unique(classes):
            rows = np.flatnonzero(classes == one)
            moved[rows] = rng.permutation(rows)
    parts = dict(zip(schema.SPLITS, (rest[train], rest[valid], test), strict=True))
    return {name: np.sort(kept[moved[rows]]) for name, rows in parts.items()}


def pooled_clips(store: Store) -> pd.DataFrame:
    """The labelled clips of a store, split after split."""
    return pd.concat([store.split(name).clips for name in schema.SPLITS], ignore_index=True)


def _folds(
    count: int, classes: np.ndarray, videos: np.ndarray, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    # half a second that most runs need not wait for
    from sklearn.model_selection import StratifiedGroupKFold

    return list(
        StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(classes, classes, videos)
    )


def _instead(split: Split, extra: str) -> Split:
    """The split with extra features in the place of the modality that they stand in for."""
    modality = schema.EXTRAS[extra]
    lengths = {f"{modality}_length": split.extras[extra].lengths}
    return dataclasses.replace(
        split, clips=split.clips.assign(**lengths), **{modality: split.extras[extra]}
    )
