"""The unverified assumptions of this companion about the released files, tested on a store: each is
met, not met, or not decidable, with the figure.

Nobody here has had the real features. The first import of them decides these lines, which contain
no id and no transcript, so that they can be sent to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from avmc_core.data.label_sets import MIXED, NAMES, RELABELLED, of_set, recognise, total
from avmc_core.data.placeholders import placeholder_clips
from avmc_core.errors import InputError
from avmc_core.paper.findings import aligned
from avmc_core.published import text_figure
from avmc_core.runs.execution import encoder_for
from avmc_core.schema import HOP_SECONDS, MODALITIES, SPLITS, UNLABELLED, columns
from avmc_core.simulated.signals import egemaps_stats

if TYPE_CHECKING:
    from avmc_core.data.store import Store

MET, NOT_MET, OPEN = VERDICTS = ("met", "not met", "not decidable")
SHA256 = "f8fd9a1dd070588a714ff357b00f31d5bb93277b4e502cf2dc4ff718a95fc49b"  # by a public mirror
DTYPES = {"audio": "float64", "vision": "float64", "text": "float64"}
CLS, SEP, WORDS = 101, 102, 21_128  # of bert-base-chinese
FACELESS = 0.25  # of a clip's frames, above which the paper discards it
CLOSE = 1e-3  # of a text state, between two computations of it
CLIPS = 32  # of which the text states are computed again


@dataclass(frozen=True)
class Assumption:
    """One assumption: its subject, what is expected and what was found, in words."""

    about: str
    expected: str
    found: str
    verdict: str


def assumptions(store: Store) -> tuple[Assumption, ...]:
    """Every assumption about the released files, decided on ``store``. A simulated corpus, clips of
    one's own and a store of other widths, annotations or label range do not tell: ()."""
    if store.simulated or "extraction" in store.manifest["source"] or not store.as_released:
        return ()
    checks: tuple[Callable[[Store], Iterator[Assumption]], ...] = (
        _file,
        _repairs,
        _sizes,
        _lengths,
        _labels,
        _tokens,
        _sound,
        _picture,
        _text_states,
    )
    return tuple(assumption for check in checks for assumption in check(store))


def render(decided: tuple[Assumption, ...], mark: str) -> str:
    """The list as plain text, for a terminal and for a report."""
    rows = [("Assumption", "Expected", "Found", "Verdict")]
    rows += [(item.about, item.expected, item.found, item.verdict) for item in decided]
    counts = {verdict: sum(item.verdict == verdict for item in decided) for verdict in VERDICTS}
    totals = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    title = f"What is assumed about the released files, on {mark}: {totals}"
    return "\n".join([title, "", *aligned(rows)])


def _decided(about: str, expected: str, observed: str, holds: bool | None) -> Assumption:
    return Assumption(
        about, expected, observed, OPEN if holds is None else MET if holds else NOT_MET
    )


def _file(store: Store) -> Iterator[Assumption]:
    source = store.manifest["source"]
    sha = source.get("supervised", {}).get("sha256", "")
    yield _decided(
        "SHA-256 of the supervised file", f"{SHA256[:16]}...", f"{sha[:16]}...", sha == SHA256
    )
    seen = source.get("dtypes")
    others = {key: kind for key, kind in (seen or {}).items() if DTYPES.get(key, kind) != kind}
    shown = ", ".join(f"{key} {kind}" for key, kind in others.items()) or "float64"
    yield _decided(
        "type of the feature arrays",
        "float64",
        shown if seen else "not recorded",
        not others if seen else None,
    )
    known = "id, raw_text, text, audio, vision, text_bert, lengths, annotations, labels"
    repaired = [r["what"] for r in store.manifest["repairs"] if r["what"].startswith("key ")]
    yield _decided("keys of a split", known, "; ".join(repaired) or "these", not repaired)


def _repairs(store: Store) -> Iterator[Assumption]:
    repairs = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    for about, word in (
        ("padding after a clip's end, zeros", "after their end"),
        ("no padding before a clip", "at the start"),
        ("no -inf in sound and picture", "of -inf"),
        ("labels on the grid of 0.2", "off the grid"),
        ("ids of video and clip", "without a separator"),
        ("unlabelled clips are others", "with the id of a labelled one"),
    ):
        count = sum(number for what, number in repairs.items() if word in what)
        if word == "with the id of a labelled one" and UNLABELLED not in store.splits:
            yield _decided(about, "0 exceptions", "no unlabelled clips", None)
        else:
            yield _decided(about, "0 exceptions", f"{count}", not count)


def _sizes(store: Store) -> Iterator[Assumption]:
    clips = {name: len(store.split(name)) for name in store.manifest["splits"]}
    expected = [int(total(of_set(RELABELLED), split=name).sum()) for name in SPLITS]
    sizes = [clips[name] for name in SPLITS]
    yield _decided(
        "clips in train, valid, test",
        ", ".join(map(str, expected)),
        ", ".join(map(str, sizes)),
        sizes == expected,
    )
    unlabelled = text_figure("unlabelled_clips")[0]
    yield _decided(
        "unlabelled clips",
        str(unlabelled),
        str(clips[UNLABELLED]) if UNLABELLED in clips else "not imported",
        clips[UNLABELLED] == unlabelled if UNLABELLED in clips else None,
    )
    caps = text_figure("steps")[0]
    store_caps = {name: store.manifest["steps"][name] for name in MODALITIES}
    yield _decided(
        "steps of text, audio, vision at most",
        ", ".join(str(caps[name]) for name in MODALITIES),
        ", ".join(str(store_caps[name]) for name in MODALITIES),
        all(caps[name] == store_caps[name] for name in MODALITIES),
    )


def _lengths(store: Store) -> Iterator[Assumption]:
    clips = pd.concat([store.split(name).clips for name in SPLITS])
    seconds = {m: clips[f"{m}_length"].to_numpy() * HOP_SECONDS[m] for m in ("audio", "vision")}
    whole = clips["audio_length"].to_numpy() < store.split("train").audio.steps
    ratio = float(np.median(seconds["vision"][whole] / seconds["audio"][whole]))
    yield _decided(
        "sound every 10 ms, picture every 40 ms",
        "as long as each other",
        f"picture {ratio:.2f} times as long, in the median",
        0.8 <= ratio <= 1.25,
    )


def _labels(store: Store) -> Iterator[Assumption]:
    clips = pd.concat([store.split(name).clips for name in SPLITS])
    known = recognise(clips)
    yield _decided("set of labels", NAMES[RELABELLED], str(known), known.key == RELABELLED)
    copies = placeholder_clips(clips)
    yield _decided(
        "placeholders among T, A and V",
        "as in the label table: 15 videos",
        f"{clips.loc[copies, 'video_id'].nunique()} videos, {int(copies.sum())} clips",
        clips.loc[copies, "video_id"].nunique() == 15 if known.key in (RELABELLED, MIXED) else None,
    )
    signs = {"Negative": -1, "Neutral": 0, "Positive": 1}
    words = clips["annotation"].map(signs)
    wrong = int((words.notna() & (words != np.sign(clips["M"]))).sum())
    unknown = int(words.isna().sum())
    yield _decided(
        "annotations say the sign of M",
        "0 exceptions",
        f"{wrong}, and {unknown} of other words",
        None if (clips["annotation"] == "").all() else not wrong and not unknown,
    )


def _tokens(store: Store) -> Iterator[Assumption]:
    tokens = np.concatenate([store.split(name).tokens for name in SPLITS])
    ids, ends = tokens[:, 0], tokens[:, 1].sum(axis=1)
    first = int((ids[:, 0] != CLS).sum())
    last = int((ids[np.arange(len(ids)), ends - 1] != SEP).sum())
    yield _decided(
        "tokens begin with [CLS], end with [SEP]",
        "0 exceptions",
        f"{first}, {last}",
        not first + last,
    )
    largest = int(ids.max())
    yield _decided(
        "tokens of bert-base-chinese", f"below {WORDS}", f"at most {largest}", largest < WORDS
    )


def _sound(store: Store) -> Iterator[Assumption]:
    values = _steps(store, "audio")
    names, stats = columns("audio"), egemaps_stats()
    pitch = names.index(next(name for name in names if name.startswith("F0")))
    silent, expected = float((values[:, pitch] == 0).mean()), stats[names[pitch]]["zero"]
    yield _decided(
        "share of steps without voice",
        f"{expected:.2f} in other speech, give or take 0.25",
        f"{silent:.2f}",
        abs(silent - expected) <= 0.25,
    )
    means = values.mean(axis=0, dtype=np.float64)
    near = [
        abs(mean - stats[name]["mean"]) <= 3 * stats[name]["sd"]
        for name, mean in zip(names, means, strict=True)
    ]
    yield _decided(
        "eGeMAPS columns on openSMILE's scale",
        f"20 of {len(near)} means or more near other speech's",
        f"{sum(near)} of {len(near)}",
        sum(near) >= 20,
    )


def _picture(store: Store) -> Iterator[Assumption]:
    train = store.split("train")
    values = _steps(store, "vision")
    names = columns("vision")
    empty = ~values.any(axis=1)
    ends = np.concatenate([[0], np.cumsum(train.vision.lengths)])
    share = np.add.reduceat(empty.astype(np.float64), ends[:-1]) / train.vision.lengths
    yield _decided(
        "frames without a face, as zeros",
        f"no clip above {FACELESS:.0%}",
        f"{empty.mean():.1%} of frames, {int((share > FACELESS).sum())} clips above",
        not (share > FACELESS).any(),
    )
    intensities = [
        k for k, name in enumerate(names) if name.startswith("AU") and name.endswith("_r")
    ]
    there = values[~empty][:, intensities]
    low, high = float(there.min(initial=0)), float(there.max(initial=0))
    yield _decided(
        "action units on OpenFace's scale",
        "intensities from 0 to 5",
        f"{low:.2f} to {high:.2f}",
        low >= 0 and high <= 5 + 1e-6 if len(there) else None,
    )


def _text_states(store: Store) -> Iterator[Assumption]:
    about, expected = "text states are those of the local BERT", f"apart by {CLOSE:g} at most"
    try:
        encoder = encoder_for(store).eval()
    except InputError as error:
        yield _decided(about, expected, f"no encoder available: {error.found}", None)
        return
    split = store.split("test")
    apart = 0.0
    for row in range(min(CLIPS, len(split))):
        ids, mask, segments = (
            torch.from_numpy(part[: len(split.text[row])])[None] for part in split.tokens[row]
        )
        with torch.no_grad():
            state = encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments)
        own = state.last_hidden_state[0].numpy()
        apart = max(apart, float(np.abs(own - split.text[row]).max()))
    yield _decided(
        about, expected, f"{apart:.2g}, in {min(CLIPS, len(split))} clips", apart <= CLOSE
    )


def _steps(store: Store, modality: str) -> np.ndarray:
    """The steps of the training clips, (sum of T_i, D), mapped."""
    (values, _), *_ = getattr(store.split("train"), modality).parts
    return values
