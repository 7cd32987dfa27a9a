"""The results in machine-readable form: tables as CSV, predictions clip by clip, and an RO-Crate
that describes them.

It is made from the run store and from what the notebooks saved, and equal runs and results give
equal bytes. It holds no transcript and no feature: of the data, only clip ids.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pandas as pd

from avmc_core.artefacts import SIMULATED, data_mark
from avmc_core.data.store import Store, open_store
from avmc_core.drawing.fonts import is_han
from avmc_core.errors import InputError, counted
from avmc_core.files.atomic import new_file, new_folder
from avmc_core.home import home
from avmc_core.publishing.crate import METADATA, write_crate
from avmc_core.runs.experiments import EXPERIMENTS
from avmc_core.runs.grid import checked_device, run_store
from avmc_core.runs.scores import score
from avmc_core.runs.store import Record, Run, RunStore
from avmc_core.settings import as_dict
from avmc_core.simulated.corpus import present_corpora
from avmc_core.simulated.settings import CorpusSettings, generator_of

NAME = "Results of the AV-MC companion"
DESCRIPTION = "Tables, run records and per-clip predictions behind the book's pages. Data: "
README = """# Results of the AV-MC companion

Data: {data}

- `results/`: what each notebook of the book saved, with the command that makes it, as JSON;
  its tables as CSV in `tables/`.
- `runs.csv`: one line per run: experiment, row, model, seed, status, settings, scores on the test
  split.
- `predictions/`: for each run, one line per test clip: clip id, predicted M, and T, A, V where the
  model predicts them.
- `ro-crate-metadata.json`: the same as a description for programs (RO-Crate 1.1), with sizes
  and SHA-256.

Clips are named by id. No transcript and no feature is included.
"""
CONTENTS = {
    "results/": "What a notebook saved: provenance and data",
    "tables/": "A table of a saved result",
    "predictions/": "Predictions of one run on the test split, one line per clip",
    "runs.csv": "One line per run: experiment, row, model, seed, settings, test scores",
    "README.md": "What is in this folder",
}


def write_bundle(
    folder: str | Path, store: Store | None, names: Iterable[str], profile: str = "ci"
) -> Path:
    """Writes the bundle to ``folder`` and, beside it, the same as a ``.zip``, replacing an earlier
    bundle but nothing else; returns the folder.

    ``names`` are saved results (``artefacts.save``) to include; of the runs, those that the
    declared experiments refer to at ``profile`` and that are in the run store, on ``store`` or,
    without one, on the simulated corpus that each experiment names. Raises InputError, before
    anything is written, when a result is missing, or made from real data and holds Chinese text;
    and when something other than a bundle is in its place.
    """
    folder = Path(os.path.abspath(folder))  # "." has no name
    if not folder.name:
        raise InputError(folder, "the root of a disk", "a new folder in it")
    packed = archive(folder)
    _check_replaceable(folder, packed)
    saved = {name: _saved(name) for name in sorted(set(names))}
    described = _runs(run_store(), _stores(store), profile)
    with new_folder(folder, replace=True) as bundle:
        commands = _write_results(bundle, saved) | _write_runs(bundle, described, profile)
        marks = [json.loads(text)["provenance"].get("data", "") for text in saved.values()]
        # each says its own besides
        first = data_mark(store) if store else SIMULATED
        mark = "; ".join(dict.fromkeys(filter(None, [first, *map(str, marks)])))
        (bundle / "README.md").write_text(README.format(data=mark), encoding="utf-8")
        write_crate(bundle, NAME, DESCRIPTION + mark, CONTENTS, commands)
    with new_file(packed) as temporary:
        _zip(folder, temporary)
    return folder


def archive(folder: Path) -> Path:
    """Where the zip file of a bundle is."""
    return folder.with_name(f"{folder.name}.zip")


def _check_replaceable(folder: Path, packed: Path) -> None:
    """Raises InputError unless each of the two is an earlier bundle, or not there; an empty folder
    will do as well."""
    if os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
        raise InputError(
            folder,
            "no folder",
            "a new place, or the folder of an earlier bundle, which is replaced",
        )
    if folder.is_dir() and any(folder.iterdir()) and not _ours(folder):
        raise InputError(
            folder,
            f"files without the {METADATA} of a bundle",
            "a new or empty folder, or an earlier bundle",
        )
    if os.path.lexists(packed) and not _ours(packed):
        raise InputError(
            packed, "something other than a bundle", "nothing, or the zip file of an earlier bundle"
        )


def _ours(place: Path) -> bool:
    """Whether a folder or a zip file is a bundle, by its description."""
    try:
        root = place if place.is_dir() else zipfile.Path(place, f"{place.stem}/")
        graph = json.loads((root / METADATA).read_text(encoding="utf-8"))["@graph"]
        return any(entity["@id"] == "./" and entity["name"] == NAME for entity in graph)
    except Exception:  # whatever is wrong with it, it is not one
        return False


def _saved(name: str) -> str:
    path = home() / "results" / f"{name}.json"
    if not path.is_file():
        raise InputError(path, "no such file", "a result that a notebook saved: `avmc notebooks`")
    try:
        text = path.read_text(encoding="utf-8")
        mark = str(json.loads(text)["provenance"].get("data", ""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            path, f"an unreadable result: {error}", "one that a notebook saved: `avmc notebooks`"
        ) from None
    if not mark.startswith("simulated") and any(map(is_han, text)):
        raise InputError(
            path, "Chinese text in a result on real data", "no transcripts in what is passed on"
        )
    return text


def _stores(store: Store | None) -> list[tuple[str, Store]]:
    """Each experiment with what it was computed on, by name; no corpus that has not been made."""
    if store is not None:
        return [(name, store) for name in EXPERIMENTS]
    corpora = {generator_of(corpus.manifest): corpus for corpus in present_corpora()}
    wanted = [
        (name, CorpusSettings(size)) for name, plan in EXPERIMENTS.items() for size in plan.corpora
    ]
    return [(name, corpora[settings]) for name, settings in wanted if settings in corpora]


def _runs(
    runs: RunStore, stores: list[tuple[str, Store]], profile: str
) -> list[tuple[str, Run, Record, Store]]:
    """Experiment, run, record and data of every finished run that an experiment refers to."""
    device = checked_device(None, here=False)
    grids = [
        (name, run, store)
        for name, store in stores
        for run in EXPERIMENTS[name].runs(profile, store=store)
    ]
    described = [(name, run, runs.get(run.key(store, device)), store) for name, run, store in grids]
    return [parts for parts in described if parts[2] is not None]


def _write_results(folder: Path, saved: dict[str, str]) -> dict[str, str]:
    (folder / "results").mkdir()
    (folder / "tables").mkdir()
    commands = {}
    for name, text in saved.items():
        (folder / "results" / f"{name}.json").write_text(text, encoding="utf-8")
        result = json.loads(text)
        written = [f"results/{name}.json"]
        for key, rows in tables(result["data"]):
            written.append(f"tables/{name}-{key}.csv")
            (folder / written[-1]).write_text(_csv(rows), encoding="utf-8")
        commands |= dict.fromkeys(written, str(result["provenance"].get("command", "")))
    return {path: command for path, command in commands.items() if command}


def tables(data: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The tables in a result, each by its name and rows: a list of records, or a mapping to
    records, of plain values."""
    listed = []
    for key, value in data.items():
        if (
            isinstance(value, dict)
            and value
            and all(isinstance(row, dict) for row in value.values())
        ):
            value = [{key: name, **row} for name, row in value.items()]
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            listed.append((key, value))
    return listed


def _csv(rows: list[dict[str, Any]]) -> str:
    fields = list(dict.fromkeys(field for row in rows for field in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows({field: _cell(value) for field, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A value as CSV shows it: what is undefined stays empty, what has parts is JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "" if isinstance(value, float) and math.isnan(value) else value


def _write_runs(
    folder: Path, described: list[tuple[str, Run, Record, Store]], profile: str
) -> dict[str, str]:
    (folder / "predictions").mkdir()
    commands, lines = {}, []
    for experiment, run, record, store in described:
        done = record.status == "done"
        # a re-split has other test clips
        test = run.protocol.of(store, run.seed).split("test") if done else None
        predictions = record.predictions("test") if done else {}
        of_m = {task: values for task, values in predictions.items() if task == "M"}
        lines.append(
            {
                "experiment": experiment,
                "row": run.name,
                "model": record.model,
                "seed": record.seed,
                "status": record.status,
                "key": record.key,
                "data": record.data["digest"],
                "code": record.code["digest"],
                "epochs": record.epochs,
                "best_epoch": record.best_epoch,
                "parameters": record.parameters,
                **(score(test, of_m, store.limit).get("M", {}) if done else {}),
                "settings": record.settings,
                "protocol": as_dict(run.protocol),
            }
        )
        name = f"predictions/{record.key}.csv"
        if done and name not in commands:
            columns = {"id": test.clips["id"], **predictions}
            pd.DataFrame(columns).to_csv(
                folder / name, index=False, float_format="%.4f", lineterminator="\n"
            )
            commands[name] = f"avmc run {experiment} --profile {profile}"
    (folder / "runs.csv").write_text(_csv(lines) if lines else "experiment\n", encoding="utf-8")
    return commands


def _zip(folder: Path, archive: Path) -> None:
    """``folder`` as a zip file: sorted, without times of its own."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)


@click.command()
@click.argument("folder", default="_build/results", type=click.Path())
@click.option(
    "--profile",
    envvar="AVMC_PROFILE",
    default="ci",
    show_default=True,
    type=click.Choice(["ci", "full"]),
    help="ci: few epochs, for the simulated corpus; full: the published settings.",
)
@click.option(
    "--store",
    envvar="AVMC_STORE",
    default="",
    help="An imported store; default: the simulated corpus.",
)
def main(folder: str, profile: str, store: str) -> None:
    """Write all results into FOLDER: tables as CSV, per-clip predictions, an RO-Crate description.

    FOLDER and FOLDER.zip are new, or an earlier bundle, which is replaced.
    """
    try:
        names = sorted(path.stem for path in (home() / "results").glob("*.json"))
        written = write_bundle(folder, open_store(store) if store else None, names, profile)
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    files = sum(path.is_file() for path in written.rglob("*"))
    click.echo(f"{written}: {counted(files, 'file')}, and {archive(written)}")
