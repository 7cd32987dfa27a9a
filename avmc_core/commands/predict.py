"""``avmc predict``: the prediction of a trained ensemble for a clip."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from avmc_core.clips.media import shown
from avmc_core.commands.extract import clip_options
from avmc_core.commands.options import format_option, trained_on_option
from avmc_core.errors import InputError

if TYPE_CHECKING:
    from avmc_core.clips.clip_features import ExtractionSettings
    from avmc_core.runs.packages import Package

PICTURES = (".png", ".svg", ".pdf")
# the modality that a clip of this alone does not have
LACKED = {"sound": "vision", "picture": "audio"}


@click.command("predict")
@click.argument("clip", type=click.Path())
@click.option(
    "--text", default="", help="The transcript, in Chinese; a file of features has it already."
)
@click.option(
    "--model",
    required=True,
    help="A package of avmc export, or the key of a run (see avmc status).",
)
@trained_on_option
@clip_options
@click.option("--picture", default="", help="Also draw it: a .png, .svg or .pdf file.")
@format_option("json")
def main(
    clip: str,
    text: str,
    model: str,
    store: str,
    bert: str,
    picture: str,
    form: str,
    **extraction: str | float,
) -> None:
    """Predict M, and T, A, V, of CLIP, with the range over seeds and each modality's Shapley share
    of M.

    CLIP is a video, or a .pkl file with the features of one, as MMSA-FET's commands write it.
    """
    from avmc_core.clips import leaning
    from avmc_core.clips.clip_features import ExtractionSettings, backend, counted
    from avmc_core.clips.clip_list import one_clip
    from avmc_core.clips.feature_file import is_feature_file, read_feature_file
    from avmc_core.clips.prediction import explain, read_clip
    from avmc_core.files.names import typed
    from avmc_core.simulated.text_encoder import build_encoder
    from avmc_core.text_encoder import load_encoder

    drawn = Path(picture).absolute()
    if picture and (drawn.suffix not in PICTURES or drawn.is_dir() or not drawn.parent.is_dir()):
        raise InputError(
            "--picture", repr(picture), f"a file {', '.join(PICTURES)} in an existing folder"
        )
    package = ensemble(model, store)
    settings = ExtractionSettings(**extraction)
    text = typed(text, "--text")
    approximation = ""
    if is_feature_file(clip):
        read, notes = read_feature_file(clip, text, package.sizes)
    else:
        _check_widths(model, package)
        path = one_clip(clip)
        settings = _of_what_there_is(path, package, settings)
        read = read_clip(
            path, text, build_encoder() if package.simulated else load_encoder(bert), settings
        )
        notes, approximation = [*read.notes], backend(settings).approximation
    prediction = explain(package, read)
    if approximation:
        notes += [approximation, leaning.sentence(package, read, prediction)]
    notes = list(
        dict.fromkeys(note for note in (*notes, package.facts["data"]["approximation"]) if note)
    )
    if package.simulated:
        if bert:
            notes.append(
                f"the text encoder {bert} was not used: a model of the simulated corpus has its own"
            )
        notes.append(
            "the model was trained on the simulated corpus: its predictions mean nothing for "
            "real clips"
        )
    if prediction.cut:
        notes.append(prediction.cut)
    for name, share in prediction.strange.items():
        if share > 0.1:
            notes.append(f"{share:.0%} of the {name} features are unlike the training clips'")
    if form == "json":
        click.echo(
            json.dumps(
                {"clip": read.name, "said": prediction.table().to_dict("index"), "notes": notes},
                indent=1,
            )
        )
    else:
        click.echo(
            f"{read.name}: {package.facts['model']}, {counted(len(package.facts['seeds']), 'seed')}"
        )
        click.echo(prediction.table().to_string(float_format="{:+.3f}".format))
        for note in notes:
            click.echo(f"note: {note}")
    if picture:
        _draw(read, prediction, Path(picture), notes)


def _check_widths(model: str, package) -> None:
    """Raises InputError for a model of other features than those that are made of a video here."""
    from avmc_core.schema import DIMS

    widths = {name: getattr(package.sizes, name) for name in DIMS}
    if widths != DIMS:
        columns = ", ".join(f"{width} columns of {name}" for name, width in widths.items())
        expected = "a .pkl file with features of these columns instead of a video"
        raise InputError(model, f"a model trained on {columns}", expected)


def _of_what_there_is(
    path: Path, package: Package, settings: ExtractionSettings
) -> ExtractionSettings:
    """The settings, for sound or picture alone where a clip has no more and the model needs no
    more. Raises InputError where it does."""
    from avmc_core.clips.media import contents
    from avmc_core.models.registry import capabilities, settings_of

    parts = contents(path)
    if parts not in LACKED:
        return settings
    model = package.facts["model"]
    if LACKED[parts] in capabilities(model, settings_of(model, package.facts["settings"])).reads:
        what = {"audio": "no audio track", "vision": "no video track"}[LACKED[parts]]
        raise InputError(shown(path), what, f"a clip with picture and sound, which {model} needs")
    return replace(settings, media=parts)


def ensemble(model: str, store: str):
    """The package at a path, or that of a run trained on ``store`` (default: the simulated
    corpus)."""
    from avmc_core.data.store import open_store
    from avmc_core.runs.exporting import collect
    from avmc_core.runs.grid import run_store
    from avmc_core.runs.packages import read_package

    # a key has neither dot nor slash
    if Path(model).is_file() or Path(model).suffix or os.sep in model:
        return read_package(model)
    if store:
        return collect(model, run_store(), open_store(store))
    from avmc_core.simulated.corpus import ensure_corpus

    return collect(model, run_store(), ensure_corpus("ci"))


def _draw(clip, prediction, path: Path, notes: list[str]) -> None:
    import matplotlib

    matplotlib.use("agg")
    from avmc_core.drawing.clip_figures import account
    from avmc_core.drawing.figures import use_style

    use_style()
    fig = account(clip, prediction)
    fig.supxlabel(
        "\n".join(notes), x=0.995, ha="right", fontsize=7, style="italic", color="#444444"
    )
    fig.savefig(path)
    click.echo(path, err=True)  # standard output may be JSON
