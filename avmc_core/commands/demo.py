"""``avmc demo``: a first result within two minutes, before the whole book."""

from __future__ import annotations

from pathlib import Path

import click

TRAINED = ("AV-MC (released)", "w/o Mixup-AV & Unimodal tasks (released)")  # rows of Table 4
SEEDS = (1111, 1112)


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(),
    help="Where the figure goes; default: demo.png in the home of runs and results.",
)
def main(out: str | None) -> None:
    """Train AV-MC on the small simulated corpus, score it, and draw its predictions for six acted
    scenarios.

    Four runs: AV-MC and its ablation without mixup and unimodal tasks, rows of Table 4, with two
    seeds each. On two cores it takes less than two minutes.
    """
    from avmc_core.analysis.composed_scenario import composed
    from avmc_core.analysis.predicting import predictions_of
    from avmc_core.analysis.results import in_points, tabulate
    from avmc_core.artefacts import data_mark
    from avmc_core.drawing import figures, scenario_figures
    from avmc_core.home import home
    from avmc_core.metrics import METRICS
    from avmc_core.runs.experiments import experiment
    from avmc_core.runs.grid import run_all
    from avmc_core.simulated.corpus import ensure_corpus

    click.echo(
        "Making the simulated corpus: the released schema and label statistics, no real clip ..."
    )
    data = ensure_corpus("ci")
    runs = [run for run in experiment("table4").runs("ci", SEEDS) if run.name in TRAINED]
    click.echo(f"Training {len(runs)} networks on {data.manifest['splits']['train']} clips ...")
    records = run_all(runs, data)
    table = tabulate(records, data)
    shown = [name for name, metric in METRICS.items() if metric.column]
    click.echo(f"\nMultimodal sentiment on the test split, data: {data_mark(data)}")
    click.echo(in_points(table.groupby("name", sort=False)[shown].mean()).to_string())
    scenarios = composed(data)
    path = Path(out or home() / "demo.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    figures.use_style()
    figure = scenario_figures.contexts(scenarios, predictions_of(records, data, scenarios.clips))
    figures.mark(figure, data).savefig(path, dpi=150)
    click.echo(
        "\nOne neutral sentence, said with six voices and faces from negative to positive, "
        "and what the networks predict:\n"
        f"{path.resolve()}\n\nNext: `make book` runs everything; `avmc run --help` and `avmc "
        "compare --help` for single tables."
    )
