"""Generated Chinese sentences whose words carry the text label T, each with an English gloss.

A sentence is composed of phrases from ``resources/lexicon.tsv`` (written for this project; nothing
is taken from a transcript): a statement about a topic whose predicate carries one of 11 degrees of
sentiment, perhaps with an opening, an ending, or a matter-of-fact clause before it. What a sentence
expresses is near its label T, not equal to it, though never on the other side of zero: people
understate, and annotators hear a sentence in its scene. That is what keeps a text regressor at the
paper's Table 3 level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from avmc_core.home import resource_text
from avmc_core.schema import level

UNDERSTATED = 0.12  # share of the sentences with T != 0 whose words are neutral
SPREAD = 1.3  # standard deviation of expressed degree about T, in levels of 0.2
END_MARKS = "。！？，"
MARK_OF_DEGREE = {0: "。", 1: "。", 2: "。", 3: "。", 4: "！", 5: "！"}


@dataclass(frozen=True)
class Sentence:
    """A sentence that can occur in the corpus, and the sentiment that its words express."""

    text: str  # Chinese, 2 to 40 characters with punctuation
    gloss: str  # English rendering of what was meant (recognition errors are not glossed)
    degree: int  # what its words express, -5..5, in steps of 0.2 on the label scale


def sentence(label: float, rng: np.random.Generator, looseness: float = 1.0) -> Sentence:
    """A sentence spoken where the text annotation is ``label`` (-1..1). Equal label and generator
    state, equal sentence.

    ``looseness`` scales the distance between label and words; 0 makes the words express just the
    label.
    """
    meant = int(level(label)) - 5
    understated = rng.random() < UNDERSTATED * looseness
    # neutral sentences are rarely heard as anything else
    spread = looseness * SPREAD * (1.0 if meant else 0.5)
    lowest, highest = {-1: (-5, 0), 0: (-1, 1), 1: (0, 5)}[int(np.sign(meant))]
    degree = int(np.clip(np.rint(meant + spread * rng.standard_normal()), lowest, highest))
    return expressing(0 if understated else degree, rng)


def neutral_sentence(rng: np.random.Generator) -> Sentence:
    """A sentence whose words express nothing, for scenarios in which voice and face must carry the
    sentiment."""
    return expressing(0, rng)


def expressing(degree: int, rng: np.random.Generator) -> Sentence:
    """A sentence whose words express ``degree`` (-5..5)."""
    if degree == 0 and rng.random() < 0.7:
        text, gloss = _fact(rng)
    else:
        topic, predicate = _pick("topic", rng), _pick(str(degree), rng)
        text, gloss = topic[0] + predicate[0], f"{topic[1]} {predicate[1]}"
        if rng.random() < 0.2:
            fact = _fact(rng)
            text, gloss = f"{fact[0]}，{text}", f"{fact[1]}; {gloss}"
    if rng.random() < 0.5:
        opening = _pick("opening", rng)
        text, gloss = opening[0] + text, f"{opening[1]}, {gloss}"
    mark = MARK_OF_DEGREE[abs(degree)]
    if rng.random() < 0.3:
        ending = _pick("ending", rng)
        text, gloss = f"{text}，{ending[0]}", f"{gloss}, {ending[1]}"
        mark = "？" if ending[0][-1] in "呢吗" else mark
    return Sentence(
        text + mark, gloss[0].upper() + gloss[1:] + {"。": ".", "！": "!", "？": "?"}[mark], degree
    )


def misheard(text: str, rate: float, rng: np.random.Generator) -> str:
    """``text`` as a speech recogniser may return it: each character is, with probability ``rate``,
    replaced by a random character of the lexicon (half of the errors), dropped, or followed by one
    more (a quarter each). Never empty."""
    wrong = characters()
    out = []
    for char, kind, other in zip(
        text,
        rng.random(len(text)) / max(rate, 1e-12),
        rng.integers(len(wrong), size=len(text)),
        strict=True,
    ):
        if kind >= 1:
            out.append(char)
        elif kind < 0.5:
            out.append(wrong[other])
        elif kind < 0.75:
            out += [char, wrong[other]]
    return "".join(out) or text[0]


@cache
def characters() -> tuple[str, ...]:
    """Every character that a generated sentence may hold, sorted."""
    phrases = [phrase for entries in _lexicon().values() for phrase, _ in entries]
    return tuple(sorted(set("".join(phrases) + END_MARKS)))


@cache
def polarity() -> dict[str, float]:
    """How the lexicon uses each character: the mean degree (-1..1) of the phrases that hold it, 0
    for all but predicates."""
    degrees: dict[str, list[float]] = {char: [] for char in characters()}
    for kind, phrases in _lexicon().items():
        degree = int(kind) / 5 if kind.lstrip("-").isdigit() else 0.0
        for phrase, _ in phrases:
            for char in set(phrase):
                degrees[char].append(degree)
    return {char: float(np.mean(values)) if values else 0.0 for char, values in degrees.items()}


def _fact(rng: np.random.Generator) -> tuple[str, str]:
    time, who, action = (_pick(kind, rng) for kind in ("time", "who", "action"))
    return time[0] + who[0] + action[0] + "了", f"{time[1]} {who[1]} went {action[1]}"


def _pick(kind: str, rng: np.random.Generator) -> tuple[str, str]:
    phrases = _lexicon()[kind]
    return phrases[rng.integers(len(phrases))]


@cache
def _lexicon() -> dict[str, list[tuple[str, str]]]:
    table = resource_text("lexicon.tsv")
    phrases: dict[str, list[tuple[str, str]]] = {}
    for line in table.splitlines()[1:]:
        kind, chinese, gloss = line.split("\t")
        phrases.setdefault(kind, []).append((chinese, gloss))
    return phrases
