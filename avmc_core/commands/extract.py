"""``avmc extract``: features from raw clips."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from avmc_core.clips.clip_features import ExtractionSettings


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
        click.option("--talknet", default="", help="Weights of TalkNet, which then choose the speaker."),
        click.option("--threshold", default=0.0, show_default=True, help="Of the face detector; lower finds more."),
        click.option("--openface", default="", help="OpenFace's FeatureExtraction, or a folder with its CSV files."),
        click.option("--visual", default="landmarks", show_default=True, type=click.Choice(["landmarks", "openface"])),
        click.option(
            "--bert", envvar="AVMC_BERT", default="bert-base-chinese", show_default=True, help="Local folder or name."
        ),
    ):
        command = option(command)
    return command


@click.command("extract")
@click.argument("clips", type=click.Path())
@click.argument("store", type=click.Path())
@click.option("--text", default="", help="The transcript, when CLIPS is one clip.")
@clip_options
@click.option("--wav2vec", default="", help="Local folder of a wav2vec 2.0 model: its features besides, for Table 3.")
@click.option("--wav2vec-layers", is_flag=True, help="Keep each of its layers, so that their weights can be learned.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; default: the number of cores.")
def main(clips: str, store: str, text: str, bert: str, jobs: int | None, **settings) -> None:
    """Extract text, acoustic and visual features of CLIPS into the feature store STORE.

    CLIPS is a folder with a meta.csv in the released columns and files VIDEO_ID/CLIP_ID.mp4, or one clip with --text.
    The exit status is 1 when a clip failed; the others are in the store all the same.
    """
    from avmc_core.clips.extraction import extract
    from avmc_core.files.names import typed

    made = extract(clips, store, ExtractionSettings(**settings), text=typed(text, "--text"), bert=bert, jobs=jobs)
    for repair in made.store.manifest["repairs"]:
        click.echo(f"repaired: {repair['what']} ({repair['count']})")
    for row in made.table.itertuples():
        steps = f"{row.seconds:6.2f} s  audio {row.audio_steps:3}  vision {row.vision_steps:3}  faces {row.faces}"
        click.echo(f"{row.outcome:9}  {row.Index}  {steps}  {row.reason}")
    counts = ", ".join(f"{count} {name}" for name, count in made.table["outcome"].value_counts().items())
    click.echo(f"{made.store.path}: {counts}; digest {made.store.digest[:12]}")
    source = made.store.manifest["source"]["extraction"]
    click.echo(f"speaker: {source['speaker']}")
    if source["approximation"]:
        click.echo(f"note: {source['approximation']}")
    if (made.table["outcome"] == "failed").any():
        click.echo(f"finished clips stay in {made.work}: remove {made.store.path} and run again to add the failed ones")
        sys.exit(1)
