"""``avmc extract``: features from raw clips."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from avmc_core.clips.clip_features import ExtractionSettings
from avmc_core.data.remarks import remark
from avmc_core.runs.stopping import Stopped, ended_at_once, leave


def clip_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that reads clips."""
    for option in (
        click.option(
            "--speaker",
            default="light-asd",
            show_default=True,
            type=click.Choice(["light-asd", "rule"]),
            help="Who speaks, of several faces: a network, or a rule without weights.",
        ),
        click.option(
            "--talknet", default="", help="Weights of TalkNet, which then choose the speaker."
        ),
        click.option(
            "--threshold",
            default=0.0,
            show_default=True,
            help="The score from which something is a face; a lower one finds more.",
        ),
        click.option(
            "--openface",
            default="",
            help="OpenFace's FeatureExtraction, or a folder with its CSV files.",
        ),
        click.option(
            "--visual",
            default="landmarks",
            show_default=True,
            type=click.Choice(["landmarks", "openface"]),
            help="Visual features from our landmarks, which approximate OpenFace's, or from "
            "OpenFace.",
        ),
        click.option(
            "--bert",
            envvar="AVMC_BERT",
            default="bert-base-chinese",
            show_default=True,
            help="The text encoder: a local folder, or a name in the local model cache.",
        ),
    ):
        command = option(command)
    return command


@click.command("extract")
@click.argument("clips", type=click.Path())
@click.argument("store", type=click.Path())
@click.option("--text", default="", help="The transcript, when CLIPS is one clip.")
@clip_options
@click.option(
    "--wav2vec",
    default="",
    help="Local folder of a wav2vec 2.0 model, to extract its features as well, for Table 3.",
)
@click.option(
    "--wav2vec-layers",
    is_flag=True,
    help="Keep each of its layers, so that their weights can be learned.",
)
@click.option(
    "--media",
    default="both",
    show_default=True,
    type=click.Choice(["both", "sound", "picture"]),
    help="What is read of each clip. Where not one clip has a picture, or not one has sound, it "
    "is the other alone.",
)
@click.option(
    "--report",
    default=None,
    help="Folder for a page that shows each clip with its landmarks; default: STORE.report.",
)
@click.option("--no-report", is_flag=True, help="Make no such page.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: the number of cores.")
def main(
    clips: str,
    store: str,
    text: str,
    bert: str,
    report: str | None,
    no_report: bool,
    jobs: int | None,
    **settings: str | float | bool,
) -> None:
    """Extract text, acoustic and visual features of CLIPS into the feature store STORE.

    CLIPS is a folder with a meta.csv in the released columns and files VIDEO_ID/CLIP_ID.mp4 (or
    another usual ending, in any case), that table alone, a .txt file with a path, a tab and a
    transcript on each line, or one clip with --text. The exit status is 1 when a clip failed; the
    other clips are in the store all the same. Ctrl-C stops it at once; the same command then
    resumes where it was.
    """
    try:
        with ended_at_once():  # until the extraction begins, and from then on asks to be stopped
            from avmc_core.clips.extraction import extract
            from avmc_core.files.names import typed

            page = "" if no_report else report or f"{store.rstrip('/')}.report"
            transcript = typed(text, "--text")
            extraction = extract(
                clips,
                store,
                ExtractionSettings(**settings),
                text=transcript,
                bert=bert,
                jobs=jobs,
                report=page,
            )
    except Stopped as error:
        click.echo(f"stopped: {_how_to_go_on(store, error)}", err=True)
        leave(error.status)
    for repair in extraction.store.manifest["repairs"]:
        click.echo(remark(repair))
    for row in extraction.table.itertuples():
        steps = (
            f"{row.seconds:6.2f} s  audio {row.audio_steps:3}  vision {row.vision_steps:3}  "
            f"faces {row.faces}"
        )
        remarks = "; ".join(part for part in (row.reason, row.notes) if part)
        click.echo(f"{row.outcome:9}  {row.Index}  {steps}  {remarks}".rstrip())
    counts = ", ".join(
        f"{count} {name}" for name, count in extraction.table["outcome"].value_counts().items()
    )
    click.echo(f"{extraction.store.path}: {counts}; digest {extraction.store.digest[:12]}")
    for sentence in extraction.summary:
        click.echo(sentence)
    source = extraction.store.manifest["source"]["extraction"]
    click.echo(f"speaker: {source['speaker']}")
    if source["approximation"]:
        click.echo(f"note: {source['approximation']}")
    if page:
        click.echo(f"a page with a frame of each clip and its landmarks: {page}/index.html")
    if (extraction.table["outcome"] == "failed").any():
        click.echo(
            f"finished clips stay in {extraction.work}: remove {extraction.store.path} and run "
            "again to add the failed ones"
        )
        sys.exit(1)


def _how_to_go_on(store: str, error: Stopped) -> str:
    """One sentence or two for somebody who stopped an extraction."""
    work = Path(store).with_name(f".{Path(store).name}.extracting")
    if os.path.lexists(store):
        return f"{store} was written"
    if not work.is_dir():
        return "nothing was extracted yet, and nothing is left behind"
    done = error.done or "no more clips than before were finished"
    return f"{done}; they are kept in {work}. The same command goes on with the others"
