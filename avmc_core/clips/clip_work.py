"""Extracts clips in parallel processes, and keeps the results until the store is written."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from avmc_core.clips import clip_features, wav2vec
from avmc_core.clips.clip_features import ClipReport, ExtractionSettings
from avmc_core.clips.clip_list import ENDINGS
from avmc_core.clips.media import shown
from avmc_core.clips.watching import Watched
from avmc_core.errors import InputError
from avmc_core.files.atomic import new_file
from avmc_core.files.sealed import read_sealed, write_sealed
from avmc_core.runs.stopping import Stopped
from avmc_core.runs.workers import side_by_side
from avmc_core.settings import digest

PATIENCE = 0.3  # seconds that a worker has to end in, when it is asked to
SHOWN = "picture"  # the name of a clip's small picture among its arrays


def entry_name(key: str, row, visual: clip_features.Visual) -> str:
    """The name of a clip's entry among the finished clips; it changes with the clip's file and with
    whatever the features depend on."""
    stat = row.path.stat() if row.path.is_file() else None
    file = (stat.st_size, stat.st_mtime_ns) if stat else ()
    return digest([key, row.id, shown(row.path.resolve()), visual.identity(row.path), *file])[:32]


def reports_of(
    table: pd.DataFrame, settings: ExtractionSettings, jobs: int | None, progress: bool
) -> tuple[list[ClipReport], int]:
    """Extracts what is missing; the reports of all clips, in order, and how many were extracted
    now."""
    reports: dict[int, ClipReport] = {}
    for row in table.itertuples():
        if row.unread:
            reason = (
                f"{row.id}: the text encoder's vocabulary has not one character of the transcript"
            )
            reports[row.Index] = ClipReport("failed", reason)
        elif not row.text.strip():
            reports[row.Index] = ClipReport(
                "failed",
                f"{row.id}: no transcript; expected one in meta.csv, after a tab in a list, or "
                "with --text",
            )
        elif row.absent:
            wanted = (
                f"a video file that can be decoded, with one of the endings {' '.join(ENDINGS)} "
                "in any case"
            )
            reports[row.Index] = ClipReport(
                "failed", str(InputError(shown(row.path.parent), row.absent, wanted))
            )
        else:
            with suppress(InputError):  # not there yet, or not as it was written: it is made again
                reports[row.Index] = load(row.entry)[1]
    missing = [row for row in table.itertuples() if row.Index not in reports]
    jobs = min(jobs or os.cpu_count() or 1, len(missing))
    form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
    start = time.monotonic()
    try:
        with tqdm(
            total=len(table),
            initial=len(reports),
            desc="extract",
            disable=not progress,
            bar_format=form,
        ) as bar:
            for number, (index, report) in enumerate(_extracted(missing, settings, jobs), 1):
                reports[index] = report
                bar.set_postfix_str(
                    f"{60 * number / (time.monotonic() - start):.1f} clips/min", refresh=False
                )
                bar.update()
    except Stopped as error:
        raise error.saying(len(reports), len(table)) from None
    return [reports[index] for index in table.index], len(missing)


def _extracted(
    rows: list, settings: ExtractionSettings, jobs: int
) -> Iterator[tuple[int, ClipReport]]:
    calls = [(row.path, row.entry, settings, row.Index) for row in rows]
    if jobs <= 1:
        yield from (_numbered(*call) for call in calls)
        return
    try:
        yield from side_by_side(_numbered, calls, jobs, PATIENCE)
    except ChildProcessError as error:
        crash = "a process that was ended while it worked on this clip"
        raise InputError(
            shown(str(error).rpartition(": its process")[0]),
            crash,
            "clips that do not crash their decoder: run again with --jobs 1",
        ) from None


def _numbered(
    path: Path, entry: Path, settings: ExtractionSettings, index: int
) -> tuple[int, ClipReport]:
    if multiprocessing.parent_process():
        _one_thread()
        if not settings.openface:  # a program of OpenFace's has to be ended in order
            # At once: an exception raised inside openSMILE's callbacks would be swallowed, with a
            # traceback.
            signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    return index, _work(path, entry, settings)


def _one_thread() -> None:
    """The processes take the cores; networks that took them all in each would be in each other's
    way."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1, "blas")


@lru_cache(maxsize=1)
def visual_of(settings: ExtractionSettings) -> clip_features.Visual:
    """The backend of a worker, which makes it once."""
    return clip_features.backend(settings)


def _work(path: Path, entry: Path, settings: ExtractionSettings) -> ClipReport:
    watched = Watched(visual_of(settings))
    try:
        features, report = clip_features.extract_clip(path, watched, settings)
    except InputError as error:
        return ClipReport("failed", _text(str(error)))
    except Exception as error:  # whatever a file made a library do, the other clips go on
        return ClipReport("failed", _text(f"{path}: {type(error).__name__}: {error}"))
    arrays = {} if features is None else {"audio": features.audio, "vision": features.vision}
    if features is not None and features.wav2vec is not None:
        arrays[wav2vec.NAME] = features.wav2vec
    arrays[SHOWN] = watched.picture(
        *([] if features is None else [features.vision, features.frames])
    )
    with new_file(entry) as temporary:
        write_sealed(temporary, arrays, {"report": asdict(report)})
    return report


def _text(message: str) -> str:
    """A message that may name a file whose name is not UTF-8, as text that can be written."""
    return message.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def picture_of(entry: Path) -> np.ndarray:
    """The small picture of a clip; empty where it failed."""
    with suppress(InputError):
        return load(entry)[0].get(SHOWN, np.zeros(0, np.uint8))
    return np.zeros(0, np.uint8)


def load(entry: Path) -> tuple[dict[str, np.ndarray], ClipReport]:
    """The arrays of a finished clip and the report on it. Raises InputError for a damaged file."""
    arrays, facts = read_sealed(entry, "an extracted clip as it was written")
    return arrays, ClipReport(**facts["report"])
