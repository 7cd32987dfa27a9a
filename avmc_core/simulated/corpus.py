"""The embedded corpus: simulated clips with the released schema and the real label statistics.

Every clip has three latent sentiments T, A, V and a multimodal one M (``clips``). Its sentence, its
voice and its face express the latents, each with noise of its own, so that each annotation can be
predicted from its modality about as well as in the paper's Table 3. It is a feature store like any
other, and written out as the released pickles and imported again it is the same; the manifest says
that it is simulated, and everything made from it carries that mark.
"""

from __future__ import annotations

from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from avmc_core import schema
from avmc_core.codehash import code_hash
from avmc_core.data.store import CLIP_COLUMNS, Store, open_store
from avmc_core.data.store_writer import write_index, write_split
from avmc_core.files.atomic import new_folder
from avmc_core.home import home, resource
from avmc_core.settings import digest
from avmc_core.simulated.clips import WILDER, rng, simulate, source_videos
from avmc_core.simulated.face import TRAITS, visual
from avmc_core.simulated.label_model import spread
from avmc_core.simulated.settings import CorpusSettings
from avmc_core.simulated.signals import acoustic
from avmc_core.simulated.text_encoder import build_encoder
from avmc_core.text_encoder import encode

TABLES = (
    "label_counts.json",
    "lexicon.tsv",
    "egemaps_stats.json",
    "audio_columns.txt",
    "vision_columns.txt",
)
# correlation of what a voice expresses with its latent A: keeps acoustic regressors at Table 3's
# level
HEARD = 0.5
SEEN = 0.65  # the same for a face and V


def ensure_corpus(settings: str | CorpusSettings = "ci", root: str | Path | None = None) -> Store:
    """The corpus of these settings, or of the size of this name, built once under ``root``
    (default: the home of runs and results) and opened afterwards.

    A change of the code that generates it or of the tables that this reads makes a new one. Raises
    InputError for an unknown size.
    """
    settings = CorpusSettings(size=settings) if isinstance(settings, str) else settings
    root = Path(root or home())
    path = root / f"corpus-{settings.name}-{_version()}"
    root.mkdir(parents=True, exist_ok=True)
    with open(root / f".corpus-{settings.name}.lock", "w") as lock:
        flock(lock, LOCK_EX)  # several processes may ask at once; one builds
        return open_store(path) if path.exists() else build_corpus(path, settings, progress=False)


def present_corpora() -> list[Store]:
    """The corpora of this version that have been built, opened."""
    return [open_store(path) for path in sorted(home().glob(f"corpus-*-{_version()}"))]


def _version() -> str:
    """What the code that generates a corpus and the tables that it reads come to."""
    tables = {name: sha256(resource(name).read_bytes()).hexdigest() for name in TABLES}
    return digest({"code": code_hash([__name__]), "tables": tables})[:12]


def build_corpus(
    store_path: str | Path, settings: CorpusSettings | None = None, progress: bool = True
) -> Store:
    """Generate the corpus into a new store at ``store_path``; without ``settings`` the one of the
    book's small pages. Equal settings, equal digest.

    Raises InputError if something is at ``store_path`` already; after any error, as after a kill,
    no store is left.
    """
    settings = settings or CorpusSettings()
    clips, encoder = simulate(settings), build_encoder()
    traits = _traits(settings, clips)
    with new_folder(store_path) as folder:
        tables, entries = {}, {}
        with tqdm(
            total=sum(map(len, clips.values())), unit="clip", desc="corpus", disable=not progress
        ) as bar:
            for split, behind in clips.items():
                tables[split], values, tokens = _features(settings, split, behind, traits, encoder)
                entries |= write_split(folder, split, tables[split], values, tokens)
                bar.update(len(behind))
        steps = {"text": schema.STEPS["text"], **settings.numbers.steps}
        mark = settings.as_mark()
        write_index(folder, tables, entries, steps=steps, source={}, repairs={}, generator=mark)
    return open_store(store_path)


def _features(
    settings: CorpusSettings, split: str, behind: pd.DataFrame, traits: pd.DataFrame, encoder
):
    """The clips of one split as a store has them: their table (CLIP_COLUMNS), blocks of values
    by modality, tokens.
    """
    draw, unlabelled = rng(settings, split, "features"), split == schema.UNLABELLED
    speaker = traits.loc[behind["video"]].to_numpy()  # (N, 25 + TRAITS)
    voice, face = (
        _expressed(draw, behind[f"latent_{task}"].to_numpy() / spread(task), share)
        for task, share in (("A", HEARD), ("V", SEEN))
    )
    audio_lengths, vision_lengths = (
        behind[f"{name}_length"].to_numpy() for name in ("audio", "vision")
    )
    variety = WILDER if unlabelled else 1.0
    audio = acoustic(voice, speaker[:, : schema.DIMS["audio"]], audio_lengths, draw, variety)
    vision = visual(face, speaker[:, schema.DIMS["audio"] :], vision_lengths, draw, variety)
    states, text_lengths, tokens = encode(behind["text"].tolist(), encoder)
    ids = behind["id"].str.partition("$_$")
    table = behind.assign(
        video_id=ids[0], clip_id=ids[2], split=split, annotation="", text_length=text_lengths
    )
    if unlabelled:
        table[list(schema.TASKS)] = np.nan
    else:
        table["annotation"] = np.array(["Negative", "Neutral", "Positive"])[
            np.sign(behind["M"]).astype(int) + 1
        ]
    return (
        table[list(CLIP_COLUMNS)],
        {"text": [states], "audio": [audio], "vision": [vision]},
        tokens,
    )


def _expressed(draw: np.random.Generator, latent: np.ndarray, share: float) -> np.ndarray:
    """What a voice or a face expresses: the standardised latent, correlated by ``share``, and
    noise.
    """
    return share * latent + np.sqrt(1 - share**2) * draw.standard_normal(len(latent))


def _traits(settings: CorpusSettings, clips: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Voice and face of each source video's speaker: standard normal numbers, one row per video.
    Which other videos have clips makes no difference.
    """
    groups = {
        "speakers": source_videos(settings)["name"],
        "speakers of placeholders": clips["test"]
        .loc[clips["test"]["copied"], "video"]
        .sort_values()
        .unique(),
        "unlabelled speakers": clips[schema.UNLABELLED]["video"].sort_values(),
    }
    shape = schema.DIMS["audio"] + TRAITS
    tables = [
        pd.DataFrame(rng(settings, purpose).standard_normal((len(names), shape)), index=names)
        for purpose, names in groups.items()
    ]
    return pd.concat(tables)
