"""``avmc data``: import, export, check and audit; the simulated corpus."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("data")
def main() -> None:
    """Import, export, check and audit data; make the simulated corpus."""


@main.command("import")
@click.option("--supervised", required=True, type=click.Path(), help="ch-simsv2s.pkl")
@click.option("--unsupervised", type=click.Path(), help="ch-simsv2u.pkl")
@click.option("--meta", type=click.Path(), help="meta.csv, to be checked against the pickle")
@click.argument("store", type=click.Path())
def import_(supervised: str, unsupervised: str | None, meta: str | None, store: str) -> None:
    """Convert the released pickles once into the feature store STORE. Nothing in them is executed."""
    from avmc_core.data.importing import import_released

    made = import_released(store, supervised, unsupervised, meta)
    rows = ", ".join(f"{name} {count}" for name, count in made.manifest["splits"].items())
    click.echo(f"{made.path}: {rows}; digest {made.digest[:12]}")
    for repair in made.manifest["repairs"]:
        click.echo(f"repaired: {repair['what']} ({repair['count']})")


@main.command()
@click.argument("store", type=click.Path())
@click.argument("folder", type=click.Path())
def export(store: str, folder: str) -> None:
    """Write STORE as pickles of the released schema, with the split train_mix and the key mask that other code expects."""
    from avmc_core.data.exporting import export_released
    from avmc_core.data.store import open_store

    for path in export_released(open_store(store), folder):
        click.echo(path)


@main.command()
@click.argument("source", type=click.Path())
def audit(source: str) -> None:
    """Say what is in SOURCE (a store, or a meta.csv) and where it disagrees with the paper."""
    from avmc_core.data.released import read_meta
    from avmc_core.data.store import open_store
    from avmc_core.paper.audit import audit, render

    table = Path(source).suffix.lower() == ".csv"
    click.echo(render(audit(read_meta(source) if table else open_store(source))))


@main.command()
@click.argument("store", type=click.Path())
def verify(store: str) -> None:
    """Read every file of STORE and compare it with the manifest's SHA-256."""
    from avmc_core.data.store import verify_store

    verify_store(store)
    click.echo(f"{store}: every file is as imported")


@main.command()
@click.argument("store", type=click.Path())
@click.option("--size", default="ci", show_default=True, type=click.Choice(["tiny", "ci", "full"]))
@click.option("--seed", type=click.IntRange(0), help="Instead of the simulated corpus's own.")
def corpus(store: str, size: str, seed: int | None) -> None:
    """Generate the simulated corpus into STORE: the released schema and real label statistics, no real clip."""
    from avmc_core.simulated.corpus import CorpusSettings, build_corpus

    settings = CorpusSettings(size=size) if seed is None else CorpusSettings(size=size, seed=seed)
    made = build_corpus(store, settings)
    click.echo(f"{made.path}: simulated corpus, digest {made.digest[:12]}")
