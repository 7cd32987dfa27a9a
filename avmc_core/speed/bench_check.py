"""``avmc bench-check``: whether what the record says of speed still holds, fresh ratios beside the
recorded ones.

Ratios of two ways in one run carry over from machine to machine far better than seconds do. A ratio
counts as changed where the recorded one lies outside of the fresh ones by more than ``MARGIN``:
between records on different machines the ratios of unchanged code differ by about as much.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import pandas as pd
import torch

from avmc_core.home import resource_text
from avmc_core.speed import bench

MARGIN = 0.25  # a share of the ratio


def ratios(parts: Mapping[str, Any]) -> dict[str, float]:
    """The ratios of a benchmark's data: of each model's step, naive over fast, and of each model's
    seeds, together over one alone."""
    by_name = {
        f"{name}: naive / fast": float(part["ratio"])
        for name, part in parts.items()
        if isinstance(part, Mapping) and "ratio" in part
    }
    return by_name | {
        f"{name}: {part['seeds']} seeds / one": float(part["ratio"])
        for name, part in parts.get("seeds", {}).items()
    }


def compared(recorded: Mapping[str, Any], fresh: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per ratio of the fresh benchmarks: ``recorded`` (NaN where the record lacks it), the
    least and the largest fresh one, and a verdict: "changed", "as recorded" or "not recorded"."""
    then, now = ratios(recorded), [ratios(parts) for parts in fresh]
    rows = []
    for name in dict.fromkeys(name for part in now for name in part):
        values = [part[name] for part in now if name in part]
        least, most, record = min(values), max(values), then.get(name, float("nan"))
        if record != record:
            verdict = "not recorded"
        elif record < least / (1 + MARGIN) or record > most * (1 + MARGIN):
            verdict = "changed"
        else:
            verdict = "as recorded"
        rows.append(
            {"ratio": name, "recorded": record, "least": least, "most": most, "verdict": verdict}
        )
    return pd.DataFrame(rows)


@click.command()
@click.option(
    "--only",
    default="semi,supervised,TFN,MFN,Graph_MFN,seeds",
    show_default=True,
    help="Parts of the benchmark, comma-separated.",
)
@click.option(
    "--repeats",
    type=click.IntRange(2),
    default=3,
    show_default=True,
    help="Fresh measurements, whose spread is the noise of this machine.",
)
def main(only: str, repeats: int) -> None:
    """Measure parts of the benchmark again and compare their ratios with the recorded ones; ends
    with status 1 where one has changed by more than the noise."""
    chosen = bench.parts(only, torch.get_num_threads())
    fresh = []
    for turn in range(1, repeats + 1):
        fresh.append({})
        for name, part in chosen.items():
            fresh[-1][name] = part()
            click.echo(f"{turn} of {repeats}: {bench.render(name, fresh[-1][name])}")
    record = json.loads(resource_text("bench.json"))
    table = compared(record["data"], fresh)
    if table.empty:
        click.echo("These parts have no ratio.")
        return
    click.echo(table.to_string(index=False, float_format="%.2f"))
    sys.exit(int((table["verdict"] == "changed").any()))
