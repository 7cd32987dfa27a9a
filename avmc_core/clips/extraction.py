"""From a folder of clips to a feature store: in parallel, clip by clip, each of them once.

Finished clips wait, sealed, in a hidden folder beside the store until it is written, so that a killed extraction goes on where
it was. One clip that cannot be read costs that clip only.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from avmc_core import schema
from avmc_core.atomic import new_file, new_folder
from avmc_core.clips import acoustic, clip_features, speaker, talknet, wav2vec
from avmc_core.clips.clip_features import DEFAULT, ExtractionSettings, Report

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".webm")
from avmc_core.codehash import code_hash
from avmc_core.data.label_table import read_meta
from avmc_core.data.released import ID_SEPARATOR
from avmc_core.data.store import CLIP_COLUMNS, Store, open_store
from avmc_core.data.store_writer import write_extra, write_index, write_split
from avmc_core.errors import InputError
from avmc_core.sealed import read_sealed, write_sealed
from avmc_core.settings import as_dict, digest
from avmc_core.text_encoder import encode, load_encoder

REPORT = "extraction.csv"  # in the store's folder: what became of every clip
PATHS = ("openface", "talknet", "wav2vec")  # settings of which a store says the name alone, not where it lay
MARKER = (
    "finished-clips-of-avmc-extract"  # a file by which a folder is known as one that an extraction made, and may remove
)


@dataclass(frozen=True)
class Extraction:
    """A made store and one row of ``Report`` for every clip, by id."""

    store: Store
    table: pd.DataFrame
    work: Path  # where finished clips were kept, when some failed


def extract(
    clips: str | Path,
    store: str | Path,
    settings: ExtractionSettings = DEFAULT,
    *,
    text: str = "",
    bert: str = "bert-base-chinese",
    jobs: int | None = None,
    progress: bool = True,
) -> Extraction:
    """Extracts ``clips`` into a new store at ``store``.

    ``clips``: a folder with a meta.csv of the released columns and files ``<video_id>/<clip_id>.mp4``, or one clip, whose
    transcript is ``text``. ``bert``: a local folder or a name in the local cache; the network is never asked.
    Raises InputError, before any work, for what no clip can do without; and when not one clip is kept. After failures the
    finished clips stay in ``work``, so that a second attempt repeats only the others. The folder ``work`` is the extraction's
    own: one that it did not make is refused, as is a place for the store in ``clips``, and neither is touched.
    """
    clips, store = Path(clips), Path(store)
    if os.path.lexists(store):
        raise InputError(store, "something already there", "a path that does not exist yet")
    work = store.with_name(f".{store.name}.extracting")
    for place in (store, work):
        if _within(place, clips) or _within(clips, place):
            raise InputError(
                place, f"a place in {clips}, or around it", "one apart from the clips, which are only read"
            )
    table = clip_table(clips, text)
    visual, encoder = clip_features.backend(settings), load_encoder(bert)
    if (width := encoder[1].config.hidden_size) != schema.DIMS["text"]:
        raise InputError(bert, f"states of {width} columns", f"{schema.DIMS['text']}, as bert-base-chinese has")
    _claim(work)
    detector = talknet.version(settings.talknet) if settings.talknet else speaker.NAME
    hearing = {wav2vec.NAME: wav2vec.version(settings.wav2vec, settings.wav2vec_layers)} if settings.wav2vec else {}
    if settings.wav2vec_layers:
        hearing["wav2vec_layers"] = wav2vec.layers(settings.wav2vec)
    code = code_hash(["avmc_core.clips.clip_features"])
    key = digest({"settings": as_dict(settings), "weights": [detector, hearing], "code": code})
    table["entry"] = [work / f"{_entry(key, row, visual)}.safetensors" for row in table.itertuples()]
    reports = _reports(table, settings, jobs, progress)
    table = pd.concat([table, pd.DataFrame([asdict(report) for report in reports])], axis=1)
    kept = table[table["outcome"] == "kept"]
    if kept.empty:
        first = table.iloc[0]
        raise InputError(clips, f"no clip to keep ({first['id']}: {first['reason']})", "at least one")
    with new_folder(store) as folder:
        source = {
            "clips": len(table),
            "outcomes": {str(name): int(count) for name, count in table["outcome"].value_counts().items()},
            "text": f"last hidden states of {Path(bert).name}",
            "audio": acoustic.version(),
            "vision": f"{visual.name}; {clip_features.SCALING}",
            "speaker": detector if (kept["faces"] > 1).any() else "one face in every clip",
            "approximation": visual.approximation,
            "settings": as_dict(settings) | {name: Path(getattr(settings, name)).name for name in PATHS},
            **hearing,
        }
        _write(folder, kept, encoder, settings, source)
        table[["id", *asdict(reports[0])]].to_csv(folder / REPORT, index=False, float_format="%.3f")
    if (table["outcome"] != "failed").all():
        _remove(work)
    return Extraction(open_store(store), table[["id", *asdict(reports[0])]].set_index("id"), work)


def _within(a: Path, b: Path) -> bool:
    """Whether ``a`` is ``b`` or lies in it, whatever links lead there."""
    return a.resolve().is_relative_to(b.resolve())


def _claim(work: Path) -> None:
    """Makes the folder for finished clips, or takes one that an earlier attempt left. Raises InputError for any other."""
    if os.path.lexists(work) and (work.is_symlink() or not work.is_dir()):
        raise InputError(work, "no folder", "nothing, or what an earlier extraction left there")
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()) and not (work / MARKER).is_file():
        raise InputError(work, f"files without {MARKER}", "nothing, or what an earlier extraction left there")
    (work / MARKER).touch()


def _remove(work: Path) -> None:
    """Removes a folder that ``_claim`` took; the marker last, so that after a kill it is still known as such a folder."""
    for path in sorted(work.iterdir(), key=lambda path: path.name == MARKER):
        path.unlink()
    work.rmdir()


def clip_table(clips: Path, text: str = "") -> pd.DataFrame:
    """One row a clip: video_id, clip_id, text, M, T, A, V, annotation, split, id, path. Raises InputError."""
    if clips.is_dir():
        table = read_meta(clips / "meta.csv")
        folders = [clips / row.video_id for row in table.itertuples()]
        table["path"] = [_find(folder, name) for folder, name in zip(folders, table["clip_id"], strict=True)]
    elif clips.is_file():
        row = {"video_id": clips.stem, "clip_id": "0001", "text": text, "annotation": "", "split": schema.UNLABELLED}
        table = pd.DataFrame([row | dict.fromkeys(schema.TASKS, np.nan) | {"path": clips}])
    else:
        raise InputError(clips, "nothing there", "a clip, or a folder with meta.csv and <video_id>/<clip_id>.mp4")
    table["id"] = table["video_id"] + ID_SEPARATOR + table["clip_id"]
    return table


def _find(folder: Path, clip_id: str) -> Path:
    candidates = [folder / f"{clip_id}{suffix}" for suffix in VIDEO_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _entry(key: str, row, visual: clip_features.Visual) -> str:
    """Changes with the clip's file and with whatever the features depend on."""
    stat = row.path.stat() if row.path.is_file() else None
    file = (stat.st_size, stat.st_mtime_ns) if stat else ()
    return digest([key, row.id, str(row.path.resolve()), visual.identity(row.path), *file])[:32]


def _reports(table: pd.DataFrame, settings: ExtractionSettings, jobs: int | None, progress: bool) -> list[Report]:
    """Extracts what is missing; the reports of all clips, in order."""
    reports: dict[int, Report] = {}
    for row in table.itertuples():
        if not row.text.strip():
            reports[row.Index] = Report("failed", f"{row.id}: no transcript; expected one in meta.csv or with --text")
        else:
            with suppress(InputError):  # not there yet, or not as it was written: it is made again
                reports[row.Index] = _load(row.entry)[1]
    missing = [row for row in table.itertuples() if row.Index not in reports]
    jobs = min(jobs or os.cpu_count() or 1, len(missing))
    with tqdm(total=len(table), initial=len(reports), unit="clip", desc="extract", disable=not progress) as bar:
        for index, report in _in_parallel(missing, settings, jobs) if jobs > 1 else _in_turn(missing, settings):
            reports[index] = report
            bar.update()
    return [reports[index] for index in table.index]


def _in_turn(rows: list, settings: ExtractionSettings) -> Iterator[tuple[int, Report]]:
    return ((row.Index, _work(row.path, row.entry, settings)) for row in rows)


def _in_parallel(rows: list, settings: ExtractionSettings, jobs: int) -> Iterator[tuple[int, Report]]:
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_one_thread) as pool:
        futures = {pool.submit(_work, row.path, row.entry, settings): row for row in rows}
        try:
            for future in as_completed(futures):
                yield futures[future].Index, future.result()
        except BrokenProcessPool:
            left = next(row for future, row in futures.items() if not future.done() or future.exception())
            found = "a process that was ended while it worked on this clip or on one near it"
            raise InputError(
                left.path, found, "clips that do not crash their decoder: run again with --jobs 1"
            ) from None


def _one_thread() -> None:
    """The processes take the cores; networks that took them all in each would be in each other's way."""
    import torch

    torch.set_num_threads(1)


@lru_cache(maxsize=1)
def _visual(settings: ExtractionSettings) -> clip_features.Visual:
    """A worker makes its backend once."""
    return clip_features.backend(settings)


def _work(path: Path, entry: Path, settings: ExtractionSettings) -> Report:
    try:
        features, report = clip_features.extract_clip(path, _visual(settings), settings)
    except InputError as error:
        return Report("failed", str(error))
    except Exception as error:  # whatever a file made a library do, the other clips go on
        return Report("failed", f"{path}: {type(error).__name__}: {error}")
    arrays = {} if features is None else {"audio": features.audio, "vision": features.vision}
    if features is not None and features.wav2vec is not None:
        arrays[wav2vec.NAME] = features.wav2vec
    with new_file(entry) as temporary:
        write_sealed(temporary, arrays, {"report": asdict(report)})
    return report


def _load(entry: Path) -> tuple[dict[str, np.ndarray], Report]:
    arrays, facts = read_sealed(entry, "an extracted clip as it was written")
    return arrays, Report(**facts["report"])


def _write(folder: Path, kept: pd.DataFrame, encoder, settings: ExtractionSettings, source: dict) -> None:
    """The files of the store: clips in the order of the table, text encoded here."""
    splits = [*schema.SPLITS, *([schema.UNLABELLED] if (kept["split"] == schema.UNLABELLED).any() else [])]
    cap, width = wav2vec.shape(settings.wav2vec, settings.wav2vec_layers) if settings.wav2vec else (0, 0)
    extras = {wav2vec.NAME: width} if settings.wav2vec else {}
    caps = {**schema.STEPS, **dict.fromkeys(extras, cap)}
    clips, files = {}, {}
    for name in splits:
        table = kept[kept["split"] == name].reset_index(drop=True)
        if len(table):
            states, lengths, tokens = encode(list(table["text"]), encoder)
        else:
            states = np.zeros((0, schema.DIMS["text"]), np.float32)
            lengths, tokens = np.zeros(0, np.int64), np.zeros((0, 3, schema.STEPS["text"]), np.int64)
        table["text_length"] = lengths
        table["audio_length"], table["vision_length"] = table["audio_steps"], table["vision_steps"]
        values = {"text": [states], "audio": _steps(table, "audio"), "vision": _steps(table, "vision")}
        clips[name] = table[list(CLIP_COLUMNS)]
        files |= write_split(folder, name, clips[name], values, tokens)
        for extra, dim in extras.items():
            files |= write_extra(folder, name, extra, _steps(table, extra), [len(s) for s in _steps(table, extra)], dim)
    words = {"left out": "clips with frames without a speaker's face", "cut from": "clips cut at the released length"}
    repairs = {what: int(kept["reason"].str.contains(word).sum()) for word, what in words.items()}
    write_index(folder, clips, files, steps=caps, source={"extraction": source}, repairs=repairs, extras=extras)


def _steps(table: pd.DataFrame, modality: str) -> Iterator[np.ndarray]:
    return (_load(entry)[0][modality] for entry in table["entry"])
