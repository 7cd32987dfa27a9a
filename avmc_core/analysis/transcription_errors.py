"""Speech-recognition errors in a transcript, at a stated rate, read again by the store's frozen
text encoder.

The rate is a character error rate: each spoken character is, independently and with this
probability, replaced by another one, left out, or followed by one too many. Punctuation is not
spoken: it stays and is not counted. Characters that come in are drawn from the training
transcripts, each as often as it occurs there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avmc_core import schema
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import encode, encoder_name, load_encoder

KINDS = ("substitution", "deletion", "insertion")
RATES = (0.05, 0.1, 0.2, 0.3, 0.4)


def spoken(text: str) -> str:
    """The characters of a transcript that are spoken: letters and digits of any script."""
    return "".join(char for char in text if char.isalnum())


def corrupted(text: str, kind: str, rate: float, heard: str, rng: np.random.Generator) -> str:
    """``text`` with errors of one kind at a character error rate; the result may be empty.

    ``heard``: the characters that come in, repeated as often as they are likely. With equal
    generator states the errors of a lower rate are among those of a higher one. Raises InputError
    for an unknown kind, a rate outside 0 to 1, or fewer than two different characters in ``heard``.
    """
    if kind not in KINDS or not 0 <= rate <= 1:
        raise InputError(
            "transcription errors",
            f"{kind!r} at rate {rate!r}",
            f"{', '.join(KINDS)} at a rate of 0 to 1",
        )
    if not heard.strip(heard[:1]):  # one character alone, repeated; asked for each sentence
        raise InputError(
            "transcription errors", f"the characters {heard[:5]!r}", "two different ones or more"
        )
    out = []
    for char, chance, place in zip(
        text, rng.random(len(text)), rng.integers(len(heard), size=len(text)), strict=True
    ):
        wrong = char.isalnum() and chance < rate
        if not (wrong and kind != "insertion"):
            out.append(char)
        if wrong and kind != "deletion":
            while kind == "substitution" and heard[place] == char:
                place = (place + 1) % len(heard)
            out.append(heard[place])
    return "".join(out)


def transcribed(
    split: Split, kind: str, rate: float, store: Store, encoder: tuple | None = None, seed: int = 0
) -> Split:
    """``split`` as if a recogniser with these errors had produced its transcripts; voice, face and
    labels stay.

    ``encoder``: ``encoder_of(store)``, created if None. Each clip has its own errors for a seed,
    whatever the other clips.
    """
    heard = "".join(spoken(text) for text in store.split("train").clips["text"])
    sentences = [
        corrupted(text, kind, rate, heard, np.random.default_rng([seed, row]))
        for row, text in enumerate(split.clips["text"])
    ]
    return with_text(split, sentences, encoder or encoder_of(store))


def with_text(split: Split, sentences: Sequence[str], encoder: tuple) -> Split:
    """``split`` with other transcripts (N), encoded: states, tokens, lengths and ``clips.text`` are
    new."""
    states, lengths, tokens = encode(sentences, encoder)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    clips = split.clips.assign(text=list(sentences), text_length=lengths)
    return replace(
        split,
        clips=clips,
        text=Ragged.of(((states, offsets),), schema.STEPS["text"]),
        tokens=tokens,
    )


def encoder_of(store: Store) -> tuple:
    """Tokenizer and frozen encoder of a store's text features: the simulated corpus's own, or for
    real features the local folder $AVMC_BERT or bert-base-chinese from the local cache. Raises
    InputError if neither is there."""
    return build_encoder() if store.simulated else load_encoder(encoder_name())


def encoding_gap(split: Split, encoder: tuple) -> float:
    """The largest absolute difference between a split's text states and those that ``encoder``
    makes of its transcripts; infinite where they are not even of the same lengths. A value near 0
    means that the store was made with this encoder."""
    again = with_text(split, split.clips["text"].tolist(), encoder).text
    if not np.array_equal(again.lengths, split.text.lengths):
        return float("inf")
    return max(float(np.abs(again[row] - split.text[row]).max()) for row in range(len(split)))
