"""``avmc bench``: the cost of training on this machine, naive and fast in one run, and its distance
from what the machine can do."""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import torch

from avmc_core import artefacts, schema
from avmc_core.kernels import compiled
from avmc_core.runs.surroundings import commit
from avmc_core.speed import bench_bert, bench_cases, bench_models
from avmc_core.speed.bench_cases import like_a_run, made_up, median_seconds
from avmc_core.speed.bench_data import data_path

SEEDS, EPOCHS, REPEATS = 6, 25, 5  # of the part "seeds"
COMPANIES = {
    "AV-MC": ("AV-MC", ()),
    "AV-MC, paper": ("AV-MC", (("variant", "paper"),)),
    "AV-MC(Semi)": ("AV-MC(Semi)", ()),
}


@click.command()
@click.option(
    "--full", is_flag=True, help="Also write and import a supervised file of full size (3.6 GB)."
)
@click.option(
    "--threads", type=click.IntRange(1), help="Of the steps; default: as many as PyTorch takes."
)
@click.option(
    "--short",
    is_flag=True,
    help="The simulated corpus's sequence lengths instead of the released ones.",
)
@click.option(
    "--only",
    default="",
    help=f"Comma-separated: {', '.join([*bench_cases.CASES, *bench_bert.STAGES])}, data, models, "
    "scaling, seeds.",
)
def main(full: bool, threads: int | None, short: bool, only: str) -> None:
    """Measure steps, data access and scaling on this machine; write results/bench.json."""
    given, threads = threads, threads or torch.get_num_threads()
    steps = bench_cases.STEPS_SHORT if short else schema.STEPS
    parts: dict[str, Callable[[], Any]] = {
        name: lambda name=name: bench_cases.time_step(name, threads, encoder, steps)
        for name in bench_cases.CASES
    }
    parts |= {
        name: lambda name=name: bench_bert.outside(name, threads, steps)
        for name in bench_bert.STAGES
    }
    parts |= {"models": lambda: bench_models.all_models(threads, steps)}
    parts |= {"data": lambda: data_path(full), "scaling": lambda: scaling(threads), "seeds": seeds}
    wanted = set(filter(None, only.split(",")))
    if only and not wanted:
        raise click.BadParameter(
            f"{only!r} names nothing; known: {', '.join(parts)}", param_hint="--only"
        )
    if unknown := wanted - set(parts):
        raise click.BadParameter(
            f"{', '.join(sorted(unknown))}; known: {', '.join(parts)}", param_hint="--only"
        )
    chosen = {name: part for name, part in parts.items() if not wanted or name in wanted}
    encoder = bench_cases.text_encoder() if {"semi", "supervised"} & set(chosen) else None
    options = [
        ("--full", full),
        ("--short", short),
        (f"--threads {given}", given),
        (f"--only {only}", only),
    ]
    command = " ".join(["avmc bench", *(words for words, asked in options if asked)])
    sizes = "short sequences" if short else "the released sizes"
    result = {"machine": machine(threads)}
    click.echo(render("machine", result["machine"]))
    begin = time.perf_counter()
    for name, part in chosen.items():
        result[name] = part()
        click.echo(render(name, result[name]))
        provenance = {
            "data": f"made-up clips of {sizes}",
            "command": command,
            "commit": commit(),
            "date": datetime.now(UTC).date().isoformat(),
            "minutes": (time.perf_counter() - begin) / 60,
        }
        # after every part, so that an interrupted benchmark leaves some
        path = artefacts.save("bench", result, provenance)
    click.echo(path)


def render(name: str, values: dict[str, Any]) -> str:
    """One line per part of the benchmark."""
    words = [
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in values.items()
    ]
    return f"{name:11} " + ", ".join(words)


def machine(threads: int) -> dict[str, Any]:
    """The processor, the code that computes, and the limits with which everything else is
    compared."""
    torch.set_num_threads(threads)
    a, source = torch.randn(2048, 2048), torch.randn(2**25)
    target = torch.empty_like(source)
    return {
        "processor": processor(),
        "threads": threads,
        "load": os.getloadavg()[0],  # what else ran in the minute before
        "torch": version("torch"),
        "recurrence": "compiled" if compiled.kernels() else "PyTorch",
        "gemm_gflops": 2 * 2048**3 / median_seconds(lambda: a @ a, threads, 9) / 1e9,
        "copy_gb_per_s": 2
        * source.nbytes
        / median_seconds(lambda: target.copy_(source), threads, 9)
        / 1e9,
    }


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def scaling(threads: int) -> dict[str, Any]:
    """Seconds of a pass of AV-MC(Semi), over a factor of 8 in clips, in frames and in batch
    size."""
    clips = {n: _pass_seconds(threads, clips=n) for n in (64, 128, 256, 512)}
    frames = {n: _pass_seconds(threads, share=n) for n in (1 / 8, 1 / 4, 1 / 2, 1)}
    batch = {n: _pass_seconds(threads, batch=n) for n in (16, 32, 64, 128)}
    return {"clips": clips, "frames": frames, "batch": batch}


def _pass_seconds(threads: int, clips: int = 128, share: float = 1.0, batch: int = 64) -> float:
    caps = {name: int(cap * share) if name != "text" else cap for name, cap in schema.STEPS.items()}
    case = bench_cases.BenchCase("AV-MC(Semi)", stage="mixup")
    way = bench_cases.fast_way(case, made_up(clips, caps))
    order = torch.Generator().manual_seed(0)
    with like_a_run(threads, True):
        return median_seconds(
            lambda: [way.step(rows) for rows in way.data.shuffled(batch, order)], threads, 5
        )


def seeds() -> dict[str, Any]:
    """Wall seconds of runs on the simulated corpus, each in a fresh process, medians of REPEATS:
    one seed alone, at its better thread count, six seeds side by side, their ratio. All train for
    as many epochs: stopping early, seeds differ by half."""
    from avmc_core.simulated.corpus import ensure_corpus

    ensure_corpus("ci")
    found = {}
    for name, (model, changes) in COMPANIES.items():
        # seeds, threads; in turn, so that a busy minute falls on all
        kinds = [(1, 1), (1, 2), (SEEDS, 1)]
        seconds = [[_alone(model, changes, *kind) for kind in kinds] for _ in range(REPEATS)]
        *one, together = (statistics.median(times) for times in zip(*seconds, strict=True))
        best = min(one)
        found[name] = {
            "one": best,
            "threads": one.index(best) + 1,
            "six": together,
            "ratio": together / best,
        }
    return found


def _alone(model: str, changes: tuple, count: int, threads: int) -> float:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_seconds, model, changes, count, threads).result()


def _seconds(model: str, changes: tuple, count: int, threads: int) -> float:
    from avmc_core.runs.grid import run_all
    from avmc_core.runs.store import Run, RunStore
    from avmc_core.simulated.corpus import ensure_corpus

    epochs = (("training.max_epochs", EPOCHS), ("training.patience", EPOCHS))
    store, runs = ensure_corpus("ci"), [Run(model, seed, epochs + changes) for seed in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_all(runs, store, RunStore(folder), threads=threads, progress_bar=False)
        return time.perf_counter() - start
