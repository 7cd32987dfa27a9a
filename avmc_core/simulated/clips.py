"""The latent variables behind the features of the embedded corpus: labels, words, lengths and
source video of every clip.

The labels of a split are drawn together from the distribution fitted to the real counts
(``label_model``). Each clip then gets a source video; videos lean to one side of the label scale as
far as the real ones do. A share of the test clips are placeholders, as in the real table: their
labels T, A and V repeat M, whatever their words, voices and faces express.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.simulated.label_model import PLACEHOLDERS, joint, sample, spread
from avmc_core.simulated.sentences import misheard, sentence
from avmc_core.simulated.settings import SIZES, CorpusSettings

CLIPS_A_VIDEO = 4213 / 130  # of the real table, placeholders left out
PLACEHOLDER_SHARE = 190 / 1034  # of the test clips: those of the videos test1 to test15
CLIPS_A_PLACEHOLDER_VIDEO = 190 / 15
# how far a video leans, in standard deviations of M: gives the real intraclass correlation of M
LEANING = 0.3
# median and log-standard deviation of a labelled clip's duration; the caps cut at 9.3 s
SECONDS = (3.5, 0.55)
WILDER = 1.5  # unlabelled clips: more varied durations, recordings and wording
MISHEARD = 0.08  # rate of wrong characters in their transcripts, which nobody corrected


def simulate(settings: CorpusSettings) -> dict[str, pd.DataFrame]:
    """What is behind the features, one row per clip, by split.

    Columns: id, video; the annotations M, T, A, V; the latents latent_T, latent_A, latent_V, which
    differ where the annotations are copied, as in placeholder clips (copied); text, gloss, degree
    (what the words express, -5..5); audio_length and vision_length in frames.
    """
    videos = source_videos(settings)
    tables = {
        split: _simulate_split(settings, split, n, videos)
        for split, n in settings.numbers.clips.items()
    }
    for split, table in tables.items():
        # an id names one clip, whatever its split and the others' sizes
        first = 1 + 10**5 * [*tables].index(split)
        table.insert(
            0,
            "id",
            [f"{video}$_${number:06d}" for number, video in enumerate(table["video"], first)],
        )
    return tables


def source_videos(settings: CorpusSettings) -> pd.DataFrame:
    """The source videos of labelled clips. Columns: name, popularity (a share of the clips), and
    how far each leans to one side of the label scale (evenly spaced, mean 0, variance 1).
    """
    size, draw = SIZES[settings.size], rng(settings, "videos")
    others = size.train + size.valid + size.test * (1 - PLACEHOLDER_SHARE)
    n = max(2, round(others / CLIPS_A_VIDEO))
    quantiles = draw.permutation((np.arange(n) + 0.5) / n)
    popularity = draw.dirichlet(np.full(n, 1.5))
    leaning = (quantiles - quantiles.mean()) / quantiles.std()
    names = [f"video_{k + 1:04d}" for k in range(n)]
    return pd.DataFrame({"name": names, "popularity": popularity, "leaning": leaning})


def rng(settings: CorpusSettings, *purpose: str) -> np.random.Generator:
    """An independent generator for each purpose, so that a change of one part leaves the others
    as they were.
    """
    words = [*"/".join((settings.size, *purpose)).encode()]
    return np.random.default_rng([settings.seed, *words])


def _simulate_split(
    settings: CorpusSettings, split: str, n: int, videos: pd.DataFrame
) -> pd.DataFrame:
    draw, size = rng(settings, split), settings.numbers
    unlabelled = split == schema.UNLABELLED
    copied = np.arange(n) < (round(PLACEHOLDER_SHARE * n) if split == "test" else 0)
    latent = np.empty((n, len(schema.TASKS)))
    latent[copied] = sample(draw, joint(PLACEHOLDERS), copied.sum())
    latent[~copied] = sample(draw, joint("train" if unlabelled else split), (~copied).sum())
    if unlabelled:
        video = np.array([f"raw_{k:05d}" for k in range(n)])
    else:
        video = _video_of_each(latent[:, 0], videos, draw).astype("<U16")
        video[copied] = [
            f"test{int(k / CLIPS_A_PLACEHOLDER_VIDEO) + 1}" for k in range(copied.sum())
        ]
    order = draw.permutation(n)
    latent, copied, video = latent[order], copied[order], video[order]
    labels = np.where(copied[:, None], latent[:, :1], latent)
    wild = WILDER if unlabelled else 1.0
    seconds = SECONDS[0] * np.exp(wild * SECONDS[1] * draw.standard_normal(n))
    # frames without the speaker's face are dropped, clips with less are not kept
    visible = draw.uniform(0.75, 1.0, n)
    sentences = [sentence(t, draw, wild) for t in latent[:, 1]]
    texts = [misheard(s.text, MISHEARD, draw) if unlabelled else s.text for s in sentences]
    frames = {
        name: np.clip((rate * seconds / size.shorter).astype(np.int64), 2, size.steps[name])
        for name, rate in (("audio", 100.0), ("vision", 25.0 * visible))
    }
    return pd.DataFrame(
        {
            "video": video,
            **dict(zip(schema.TASKS, labels.T, strict=True)),
            **{
                f"latent_{task}": latent[:, k] for k, task in enumerate(schema.TASKS) if task != "M"
            },
            "copied": copied,
            "text": texts,
            "gloss": [s.gloss for s in sentences],
            "degree": [s.degree for s in sentences],
            "audio_length": frames["audio"],
            "vision_length": frames["vision"],
        }
    )


def _video_of_each(
    multimodal: np.ndarray, videos: pd.DataFrame, draw: np.random.Generator
) -> np.ndarray:
    """A source video for each clip (N,), by its M.

    A video's odds rise or fall by ``LEANING`` for each standard deviation of M, times its own
    leaning. So the labels of a split stay as they were drawn, and those of a video are alike. Drawn
    by the largest of perturbed log-odds (Gumbel).
    """
    tilt = LEANING * (multimodal / spread("M"))[:, None] * videos["leaning"].to_numpy()
    odds = np.log(videos["popularity"].to_numpy()) + tilt  # (N, videos)
    return videos["name"].to_numpy(str)[np.argmax(odds + draw.gumbel(size=odds.shape), axis=1)]
