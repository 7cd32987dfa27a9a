"""``avmc data``: import, export, check and audit; the simulated corpus."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("data")
def main() -> None:
    """Import, export, check and audit data; make the simulated corpus."""


@main.command("import", short_help="Convert the released pickles into a feature store.")
@click.option(
    "--supervised",
    required=True,
    type=click.Path(),
    help="ch-simsv2s.pkl, or the file of another data set in the layout of MMSA or MMSA-FET.",
)
@click.option("--unsupervised", type=click.Path(), help="ch-simsv2u.pkl, the unlabelled clips.")
@click.option(
    "--meta", type=click.Path(), help="meta.csv, the label table, to be compared with the pickle."
)
@click.option(
    "--labels",
    "limit",
    type=click.Choice(["1", "3"]),
    help="The largest label, instead of what the file is taken for.",
)
@click.argument("store", type=click.Path())
def import_(
    supervised: str, unsupervised: str | None, meta: str | None, limit: str | None, store: str
) -> None:
    """Convert the released pickles, or those of another data set, once into the feature store
    STORE. Nothing in them is executed.

    Widths, caps, annotations and the range of the labels are those of the file; the command reports
    which format it recognised.
    """
    from avmc_core.artefacts import data_mark
    from avmc_core.data.importing import import_released
    from avmc_core.data.remarks import remark

    imported = import_released(
        store, supervised, unsupervised, meta, limit=float(limit) if limit else None
    )
    rows = ", ".join(f"{name} {count}" for name, count in imported.manifest["splits"].items())
    click.echo(f"{imported.path}: {rows}; digest {imported.digest[:12]}")
    if layout := imported.manifest["source"].get("layout"):
        click.echo(f"taken for: {layout}")
    if "label_set" in imported.manifest:
        click.echo(f"labels: {imported.manifest['label_set']}")
    click.echo(f"results on it are marked: {data_mark(imported)}")
    for repair in imported.manifest["repairs"]:
        click.echo(remark(repair))


@main.command(short_help="Write a store as pickles of the released schema.")
@click.argument("store", type=click.Path())
@click.argument("folder", type=click.Path())
def export(store: str, folder: str) -> None:
    """Write STORE as pickles of the released schema, with the split train_mix and the key mask that
    other code expects."""
    from avmc_core.data.exporting import export_released
    from avmc_core.data.store import open_store

    for path in export_released(open_store(store), folder):
        click.echo(path)


@main.command(short_help="Report what is in a store or label table.")
@click.argument("source", type=click.Path())
@click.option(
    "--report", type=click.Path(), help="Write it into a file too, which can be sent to others."
)
def audit(source: str, report: str | None) -> None:
    """Report what is in SOURCE (a store, or a meta.csv) and where it disagrees with the paper.

    For a store in the released format it also lists, one by one, the unverified assumptions about
    the released files, and whether they hold. No id and no transcript is shown.
    """
    from avmc_core import __version__
    from avmc_core.artefacts import data_mark
    from avmc_core.data.released import read_meta
    from avmc_core.data.remarks import remark
    from avmc_core.data.store import open_store
    from avmc_core.files.atomic import new_file
    from avmc_core.paper import first_contact
    from avmc_core.paper.audit import audit, render

    if not Path(source).is_file():
        store = open_store(source)
        parts = [render(audit(store))]
        if assumptions := first_contact.assumptions(store):
            parts += ["", first_contact.render(assumptions, data_mark(store))]
    else:
        table = read_meta(source)  # says what the file is if it is not a table
        parts = [render(audit(table)), *map(remark, table.attrs["repairs"])]
    text = "\n".join(parts)
    click.echo(text)
    if report:
        with new_file(report) as temporary:
            temporary.write_text(f"avmc {__version__}\n{text}\n", encoding="utf-8")
        click.echo(f"written to {report}", err=True)


@main.command(short_help="Compare every file of a store with its manifest.")
@click.argument("store", type=click.Path())
def verify(store: str) -> None:
    """Read every file of STORE and compare it with the manifest's SHA-256."""
    from avmc_core.data.store import verify_store

    verify_store(store)
    click.echo(f"{store}: every file is as imported")


@main.command(short_help="Generate a simulated corpus.")
@click.argument("store", type=click.Path())
@click.option(
    "--size",
    default="ci",
    show_default=True,
    type=click.Choice(["tiny", "ci", "large", "full"]),
    help="How many clips there are and how long they are, as said above.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="A seed in place of the simulated corpus's own."
)
@click.option(
    "--train", type=click.IntRange(2), help="Training clips, instead of those of the size."
)
@click.option(
    "--unlabelled", type=click.IntRange(1), help="Unlabelled clips, instead of those of the size."
)
@click.option(
    "--shorter", type=click.IntRange(1), help="Divides the real sequence lengths by this."
)
def corpus(store: str, **changes: str | int | None) -> None:
    """Generate the simulated corpus into STORE: the released schema and real label statistics, no
    real clip.

    The size ci is what the book's small pages use; large has as many labelled clips as the real
    data, at an eighth of their lengths; full has the real lengths too; tiny is for a trial.
    """
    from avmc_core.simulated.corpus import build_corpus
    from avmc_core.simulated.settings import CorpusSettings

    built = build_corpus(
        store,
        CorpusSettings(**{name: value for name, value in changes.items() if value is not None}),
    )
    click.echo(f"{built.path}: simulated corpus, digest {built.digest[:12]}")
