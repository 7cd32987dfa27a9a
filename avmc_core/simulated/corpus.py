"""The embedded corpus: simulated clips with the released schema and the real label statistics.

Every clip has three latent sentiments T, A, V and a multimodal one M, drawn together from the distribution fitted to the
real counts (``label_model``). Its sentence, its voice and its face express the latents, each with noise of its own, so that
each modality can be read about as well as the paper's Table 3 says. It is written as the released pickles are and then
imported like them; the manifest says that it is simulated, and everything made from it carries that mark.
"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core import schema
from avmc_core.codehash import code_hash
from avmc_core.data.importing import import_released
from avmc_core.data.released_writer import SIMULATED, Padded, write_supervised, write_unsupervised
from avmc_core.data.store import Store, open_store
from avmc_core.errors import InputError
from avmc_core.home import home
from avmc_core.settings import as_dict, digest
from avmc_core.simulated.face import TRAITS, visual
from avmc_core.simulated.label_model import joint, sample
from avmc_core.simulated.sentences import misheard, sentence
from avmc_core.simulated.signals import acoustic
from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import encode


@dataclass(frozen=True)
class Size:
    """Clips per split, and how much shorter than real the clips are."""

    train: int
    valid: int
    test: int
    unlabelled: int
    shorter: int

    @property
    def steps(self) -> dict[str, int]:
        """T of audio and vision: the released caps, shortened and rounded up."""
        return {name: -(-schema.STEPS[name] // self.shorter) for name in ("audio", "vision")}


SIZES = {
    "tiny": Size(24, 12, 16, 24, 32),
    "ci": Size(320, 100, 400, 640, 8),
    "full": Size(2722, 647, 1034, 10161, 1),
}
TABLES = ("label_counts.json", "lexicon.tsv", "egemaps_stats.json", "audio_columns.txt", "vision_columns.txt")
CLIPS_A_VIDEO = 32  # 4213 clips of 130 videos in the real table, placeholders left out
PLACEHOLDERS = 190 / 1034  # share of test clips whose unimodal labels repeat M, in videos test1, test2, ...
CLIPS_A_PLACEHOLDER_VIDEO = 13
SECONDS = (3.5, 0.55)  # median and log-standard deviation of a labelled clip's duration; the caps cut at 9.3 s
WILDER = 1.5  # unlabelled clips: more varied durations, recordings and wording
MISHEARD = 0.08  # rate of wrong characters in their transcripts, which nobody corrected
HEARD = 0.5  # correlation of what a voice expresses with its latent A: keeps acoustic regressors at Table 3's level
SEEN = 0.65  # the same for a face and V
SPREAD = {"A": 0.61, "V": 0.66}  # standard deviations of the real labels


@dataclass(frozen=True)
class CorpusSettings:
    size: str = "ci"  # tiny, ci or full
    seed: int = 20220707

    def __post_init__(self):
        if self.size not in SIZES:
            raise InputError("CorpusSettings.size", repr(self.size), f"one of {', '.join(SIZES)}")


def build_corpus(store_path: str | Path, settings: CorpusSettings = CorpusSettings(), progress: bool = True) -> Store:
    """Generate the corpus into a new store at ``store_path``. Equal settings, equal digest. Raises InputError as
    ``import_released`` does."""
    made = as_dict(settings)
    marks = {SIMULATED: made}
    with tempfile.TemporaryDirectory() as folder:
        supervised, unsupervised = Path(folder, "ch-simsv2s.pkl"), Path(folder, "ch-simsv2u.pkl")
        clips = simulate(settings)
        traits = _traits(settings, clips)
        labelled = {split: _columns(settings, split, clips[split], traits) for split in schema.SPLITS}
        write_supervised(supervised, labelled, marks)
        del labelled  # at full size gigabytes
        write_unsupervised(unsupervised, _columns(settings, schema.UNLABELLED, clips[schema.UNLABELLED], traits), marks)
        return import_released(store_path, supervised, unsupervised, simulated=made, progress=progress)


def ensure_corpus(size: str = "ci", root: str | Path | None = None) -> Store:
    """The corpus of this size, built once under ``root`` (default: the home of runs and results) and opened afterwards.

    Its folder is named by the settings, the code that generates it and the tables that this reads, so that a change of any
    makes a new one.
    """
    settings, root = CorpusSettings(size=size), Path(root or home())
    tables = {name: sha256(files("avmc_core").joinpath("resources", name).read_bytes()).hexdigest() for name in TABLES}
    key = digest({"settings": as_dict(settings), "code": code_hash([__name__]), "tables": tables})[:12]
    path = root / f"corpus-{size}-{key}"
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f".corpus-{size}.lock", "w") as lock:
        flock(lock, LOCK_EX)  # several processes may ask at once; one builds
        return open_store(path) if path.exists() else build_corpus(path, settings, progress=False)


def simulate(settings: CorpusSettings) -> dict[str, pd.DataFrame]:
    """What is behind the features, one row a clip by split: id, video, the annotations M, T, A, V, the latents
    latent_T, latent_A, latent_V (they differ where the annotations are placeholders), text, gloss, degree (what the words
    express, -5..5), audio_length and vision_length in frames."""
    size = SIZES[settings.size]
    videos = max(2, round((size.train + size.valid + size.test) / CLIPS_A_VIDEO))
    counts = {split: getattr(size, split) for split in (*schema.SPLITS, schema.UNLABELLED)}
    popular = _rng(settings, "videos").dirichlet(np.full(videos, 1.5))
    tables = {split: _simulate_split(settings, split, n, popular) for split, n in counts.items()}
    numbers = iter(range(1, sum(counts.values()) + 1))  # an id names one clip, whatever its split
    for table in tables.values():
        table.insert(0, "id", [f"{video}$_${next(numbers):05d}" for video in table["video"]])
    return tables


def _simulate_split(settings: CorpusSettings, split: str, n: int, popular: np.ndarray) -> pd.DataFrame:
    rng, size = _rng(settings, split), SIZES[settings.size]
    unlabelled = split == schema.UNLABELLED
    latent = sample(rng, joint(None if unlabelled else split), n)  # (n, 4)
    labels = latent.copy()
    if unlabelled:
        video = np.array([f"raw_{k:05d}" for k in range(n)])
    else:
        video = np.array([f"video_{k + 1:04d}" for k in rng.choice(len(popular), n, p=popular)])
    if split == "test":
        placeholder = round(PLACEHOLDERS * n)
        labels[:placeholder] = latent[:placeholder, :1]
        video[:placeholder] = [f"test{k // CLIPS_A_PLACEHOLDER_VIDEO + 1}" for k in range(placeholder)]
    wild = WILDER if unlabelled else 1.0
    seconds = SECONDS[0] * np.exp(wild * SECONDS[1] * rng.standard_normal(n))
    visible = rng.uniform(0.75, 1.0, n)  # frames without the speaker's face are dropped, clips with less are not kept
    sentences = [sentence(t, rng, wild) for t in latent[:, 1]]
    texts = [misheard(s.text, MISHEARD, rng) if unlabelled else s.text for s in sentences]
    frames = {
        name: np.clip((rate * seconds / size.shorter).astype(np.int64), 2, size.steps[name])
        for name, rate in (("audio", 100.0), ("vision", 25.0 * visible))
    }
    return pd.DataFrame(
        {
            "video": video,
            **dict(zip(schema.TASKS, labels.T, strict=True)),
            **{f"latent_{task}": latent[:, k] for k, task in enumerate(schema.TASKS) if task != "M"},
            "text": texts,
            "gloss": [s.gloss for s in sentences],
            "degree": [s.degree for s in sentences],
            "audio_length": frames["audio"],
            "vision_length": frames["vision"],
        }
    )


def _columns(settings: CorpusSettings, split: str, clips: pd.DataFrame, traits: pd.DataFrame) -> dict:
    """The released keys of one split."""
    rng, steps = _rng(settings, split, "features"), SIZES[settings.size].steps
    unlabelled = split == schema.UNLABELLED
    speaker = traits.loc[clips["video"]].to_numpy()  # (N, 25 + TRAITS)
    voice, face = (
        _expressed(rng, clips[f"latent_{task}"].to_numpy() / SPREAD[task], share)
        for task, share in (("A", HEARD), ("V", SEEN))
    )
    audio_lengths, vision_lengths = (clips[f"{name}_length"].to_numpy() for name in ("audio", "vision"))
    variety = WILDER if unlabelled else 1.0
    audio = acoustic(voice, speaker[:, : schema.DIMS["audio"]], audio_lengths, rng, variety)
    vision = visual(face, speaker[:, schema.DIMS["audio"] :], vision_lengths, rng, variety)
    states, text_lengths, tokens = encode(clips["text"].tolist(), build_encoder())
    columns = {
        "id": clips["id"].to_numpy(str),
        "audio": Padded(audio, audio_lengths, steps["audio"]),
        "vision": Padded(vision, vision_lengths, steps["vision"]),
        "raw_text": clips["text"].to_numpy(str),
        "text": Padded(states, text_lengths, schema.STEPS["text"]),
        "text_bert": tokens,
        "audio_lengths": audio_lengths,
        "vision_lengths": vision_lengths,
    }
    if unlabelled:
        return columns
    polarity = np.sign(clips["M"].to_numpy()).astype(int) + 1
    columns["annotations"] = np.array(["Negative", "Neutral", "Positive"])[polarity]
    return columns | {key: clips[task].to_numpy(np.float64) for task, key in schema.LABEL_KEYS.items()}


def _expressed(rng: np.random.Generator, latent: np.ndarray, share: float) -> np.ndarray:
    """What a voice or a face expresses: the standardised latent, correlated by ``share``, and noise."""
    return share * latent + np.sqrt(1 - share**2) * rng.standard_normal(len(latent))


def _traits(settings: CorpusSettings, clips: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Voice and face of each source video's speaker: standard normal numbers, one row a video."""
    videos = sorted({video for table in clips.values() for video in table["video"]})
    rng = _rng(settings, "speakers")
    return pd.DataFrame(rng.standard_normal((len(videos), schema.DIMS["audio"] + TRAITS)), index=videos)


def _rng(settings: CorpusSettings, *purpose: str) -> np.random.Generator:
    """An independent generator for each purpose, so that a change of one part leaves the others as they were."""
    words = [*"/".join((*dataclasses.astuple(settings)[:1], *purpose)).encode()]
    return np.random.default_rng([settings.seed, *words])
