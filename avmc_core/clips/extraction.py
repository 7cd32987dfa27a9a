"""From a folder of clips to a feature store: in parallel, each clip once.

Finished clips wait, sealed, in a hidden folder beside the store until it is written, so that an
extraction that was stopped or killed goes on where it was. One clip that cannot be read costs that
clip only.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from avmc_core import schema
from avmc_core.clips import acoustic, clip_features, extraction_page, wav2vec, who_speaks
from avmc_core.clips.clip_features import DEFAULT, SILENCE, ExtractionSettings
from avmc_core.clips.clip_list import clip_table
from avmc_core.clips.clip_work import entry_name, picture_of, reports_of
from avmc_core.clips.extraction_page import REPORT
from avmc_core.clips.extraction_store import write_clips
from avmc_core.clips.media import BOTH, PICTURE, SOUND, contents, shown
from avmc_core.codehash import code_hash
from avmc_core.data.store import Store, open_store
from avmc_core.errors import InputError, counted
from avmc_core.files.atomic import new_folder
from avmc_core.runs.stopping import stoppable
from avmc_core.settings import as_dict, digest
from avmc_core.text_encoder import load_encoder
from avmc_core.text_encoder import words as count_words

# settings of which a store says the name alone, not where it lay
PATHS = ("openface", "talknet", "wav2vec")
# a file by which a folder is known as one that an extraction made, and may remove
MARKER = "finished-clips-of-avmc-extract"
LACKS = {SOUND: "vision", PICTURE: "audio"}  # modalities that a store of such clips lacks


@dataclass(frozen=True)
class Extraction:
    """A made store and one row of ``ClipReport`` for every clip, by id."""

    store: Store
    table: pd.DataFrame
    work: Path  # where finished clips were kept, when some failed
    summary: tuple[str, ...] = ()  # in sum: what was cut, what was not there, how long it took


def extract(
    clips: str | Path,
    store: str | Path,
    settings: ExtractionSettings = DEFAULT,
    *,
    text: str = "",
    bert: str = "bert-base-chinese",
    jobs: int | None = None,
    progress: bool = True,
    report: str | Path = "",
) -> Extraction:
    """Extracts ``clips`` into a new store at ``store``.

    ``clips``: a folder with a meta.csv of the released columns and files
    ``<video_id>/<clip_id>.mp4``, or anything else that ``clip_list.clip_table`` takes. ``text``:
    the transcript, of one clip. ``bert``: a local folder or a name in the local cache; the network
    is never asked. ``report``: a folder for a page that shows what was found on a frame of each
    clip; "" for none. If no clip has a picture, or none has sound, the features of the other kind
    alone are made, and the store says so.

    Raises InputError, before any work, if something is missing that every clip needs; and if no
    clip is kept. After failures the finished clips stay in ``work``, so that a second attempt
    repeats only the others. The folder ``work`` is the extraction's own: one that it did not make
    is refused, as is a place for the store in ``clips``, and neither is touched. Once that folder
    is there, raises Stopped at Ctrl-C and at SIGTERM, when no process is left and the finished
    clips are kept.
    """
    clips, store = Path(clips), Path(store)
    if os.path.lexists(store):
        raise InputError(store, "something already there", "a path that does not exist yet")
    work = work_of(store)
    for place in (store, work, *([Path(report)] if report else [])):
        if _within(place, clips) or _within(clips, place):
            raise InputError(
                place,
                f"a place in {shown(clips)}, or around it",
                "one apart from the clips, which are only read",
            )
    if report:
        extraction_page.check_folder(Path(report))
    table = clip_table(clips, text)
    settings = _possible(table, settings)
    visual, encoder = clip_features.backend(settings), load_encoder(bert)
    if (width := encoder[1].config.hidden_size) != schema.DIMS["text"]:
        raise InputError(
            bert, f"states of {width} columns", f"{schema.DIMS['text']}, as bert-base-chinese has"
        )
    tokens, unknown = count_words(list(table["text"]), encoder)
    table["unread"] = (unknown > 0) & (unknown == tokens - 2)
    table["tokens"], table["unknown"] = tokens, unknown
    _one_table_each(table, visual)
    with stoppable():
        _claim(work)
        return _extract(
            clips, store, work, table, settings, visual, bert, encoder, jobs, progress, str(report)
        )


def work_of(store: str | Path) -> Path:
    """The folder in which an extraction into ``store`` keeps what is finished."""
    return Path(store).with_name(f".{Path(store).name}.extracting")


def _extract(
    clips: Path,
    store: Path,
    work: Path,
    table: pd.DataFrame,
    settings: ExtractionSettings,
    visual: clip_features.Visual,
    bert: str,
    encoder: tuple,
    jobs: int | None,
    progress: bool,
    report: str,
) -> Extraction:
    decided = table.attrs.get("repairs", [])  # about the table, to be said in the manifest
    detector = who_speaks.version(settings.speaker, settings.talknet)
    hearing = (
        {wav2vec.NAME: wav2vec.version(settings.wav2vec, settings.wav2vec_layers)}
        if settings.wav2vec
        else {}
    )
    if settings.wav2vec_layers:
        hearing["wav2vec_layers"] = wav2vec.layers(settings.wav2vec)
    code = code_hash(["avmc_core.clips.clip_features", "avmc_core.clips.watching"])
    key = digest({"settings": as_dict(settings), "weights": [detector, hearing], "code": code})
    table["entry"] = [
        work / f"{entry_name(key, row, visual)}.safetensors" for row in table.itertuples()
    ]
    start = time.monotonic()
    reports, extracted = reports_of(table, settings, jobs, progress)
    minutes = (time.monotonic() - start) / 60
    table = pd.concat([table, pd.DataFrame([asdict(one) for one in reports])], axis=1)
    _say_of_texts(table)
    kept = table[table["outcome"] == "kept"]
    if kept.empty:
        first = table.iloc[0]
        raise InputError(
            shown(clips), f"no clip to keep ({first['id']}: {first['reason']})", "at least one"
        )
    summary = _summary(table, settings)
    summary += (
        [
            f"{counted(extracted, 'clip')} in {minutes:.1f} minutes: "
            f"{extracted / minutes:.0f} per minute"
        ]
        if extracted
        else []
    )
    columns = ["id", *asdict(reports[0])]
    with new_folder(store) as folder:
        source = {
            "clips": len(table),
            "outcomes": {
                str(name): int(count) for name, count in table["outcome"].value_counts().items()
            },
            "text": f"last hidden states of {shown(Path(bert).name)}",
            "audio": acoustic.version()
            if settings.media != PICTURE
            else "none: the clips have no sound",
            "vision": f"{visual.name}; {clip_features.SCALING}"
            if settings.media != SOUND
            else visual.name,
            "speaker": _speaker(kept, detector, settings),
            "approximation": visual.approximation,
            "settings": as_dict(settings)
            | {name: shown(Path(getattr(settings, name)).name) for name in PATHS},
            **({"lacks": [LACKS[settings.media]]} if settings.media in LACKS else {}),
            **hearing,
        }
        write_clips(folder, kept, encoder, settings, source, decided)
        table[columns].to_csv(folder / REPORT, index=False, float_format="%.3f")
    if report:
        title = f"Extraction of {shown(clips.name)}"
        extraction_page.write(
            Path(report),
            title,
            table[columns],
            summary,
            lambda row: picture_of(table.loc[row, "entry"]),
        )
    if (table["outcome"] != "failed").all():
        _remove(work)
    return Extraction(open_store(store), table[columns].set_index("id"), work, tuple(summary))


def _speaker(kept: pd.DataFrame, detector: str, settings: ExtractionSettings) -> str:
    """The way in which the speakers of the clips that were kept were chosen."""
    if settings.media == SOUND:
        return "none: the clips have no picture"
    return detector if (kept["faces"] > 1).any() else "one face in every clip"


def _possible(table: pd.DataFrame, settings: ExtractionSettings) -> ExtractionSettings:
    """The settings, with sound or picture alone where not one clip has the other."""
    if settings.media != BOTH:
        return settings
    kinds = set()
    for path in table["path"][table["absent"] == ""]:
        with suppress(InputError):  # of a missing package the backend speaks
            kinds.add(contents(path))
        if BOTH in kinds:
            return settings
    known = kinds - {""}
    return replace(settings, media=known.pop()) if len(known) == 1 else settings


def _one_table_each(table: pd.DataFrame, visual: clip_features.Visual) -> None:
    """Raises InputError where one of OpenFace's files would be taken for several clips: names
    alone, without their video's."""
    if not hasattr(visual, "table"):
        return
    own: dict[Path, str] = {}
    for row in table.itertuples():
        place = visual.table(row.path)
        if place and place.is_file() and own.setdefault(place.resolve(), row.id) != row.id:
            conflict = f"the only table for {own[place.resolve()]} and {row.id}"
            raise InputError(place, conflict, "a table for each clip: VIDEO_ID/CLIP_ID.csv")


def _say_of_texts(table: pd.DataFrame) -> None:
    """Adds to the reasons of kept clips what the encoder will not read of their transcripts, and to
    their notes what it does not know."""
    for row in table[(table["outcome"] == "kept") & (table["unknown"] > 0)].itertuples():
        note = clip_features.unknown_text(row.tokens, row.unknown)
        table.loc[row.Index, "notes"] = "; ".join(part for part in (row.notes, note) if part)
    for index in table.index[
        (table["outcome"] == "kept") & (table["tokens"] > schema.STEPS["text"])
    ]:
        note = clip_features.cut_text(table.loc[index, "tokens"])
        table.loc[index, "reason"] = "; ".join(
            part for part in (table.loc[index, "reason"], note) if part
        )


def _summary(table: pd.DataFrame, settings: ExtractionSettings) -> list[str]:
    """A summary of many rows in a few sentences."""
    kept = table[table["outcome"] == "kept"]
    cut = {
        name: int(kept["reason"].str.contains(f"{name} cut from").sum())
        for name in schema.MODALITIES
    }
    cuts = ", ".join(f"{name} of {counted(count, 'clip')}" for name, count in cut.items() if count)
    silent = int(kept["notes"].str.contains(SILENCE).sum())
    return [
        *([f"cut at the released lengths: {cuts}"] if cuts else []),
        *([f"{counted(silent, 'clip')} with a silent sound track"] if silent else []),
        *(
            [f"no {LACKS[settings.media]} features: models that need them are left out"]
            if settings.media in LACKS
            else []
        ),
    ]


def _within(a: Path, b: Path) -> bool:
    """Whether ``a`` is ``b`` or lies in it, whatever links lead there."""
    return a.resolve().is_relative_to(b.resolve())


def _claim(work: Path) -> None:
    """Makes the folder for finished clips, or takes one that an earlier attempt left. Raises
    InputError for any other."""
    if os.path.lexists(work) and (work.is_symlink() or not work.is_dir()):
        raise InputError(work, "no folder", "nothing, or what an earlier extraction left there")
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()) and not (work / MARKER).is_file():
        raise InputError(
            work, f"files without {MARKER}", "nothing, or what an earlier extraction left there"
        )
    (work / MARKER).touch()


def _remove(work: Path) -> None:
    """Removes a folder that ``_claim`` took; the marker last, so that after a kill it is still
    known as such a folder."""
    for path in sorted(work.iterdir(), key=lambda path: path.name == MARKER):
        path.unlink()
    work.rmdir()
