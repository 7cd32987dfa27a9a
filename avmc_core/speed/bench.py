"""``avmc bench``: the cost of training on this machine, naive and fast in one run, and its distance
from what the machine can do. A GPU is measured in the same parts, into a record of its own."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import torch

from avmc_core import artefacts, schema
from avmc_core.kernels import compiled
from avmc_core.kernels.frames import linear_of_frames
from avmc_core.runs.grid import checked_device
from avmc_core.runs.surroundings import commit
from avmc_core.speed import (
    bench_bert,
    bench_cases,
    bench_gpu,
    bench_models,
    bench_seeds,
    gpu_record,
)
from avmc_core.speed.bench_cases import made_up
from avmc_core.speed.bench_company import Company, as_runs_do
from avmc_core.speed.bench_data import data_path
from avmc_core.speed.bench_device import attempted, elsewhere
from avmc_core.speed.bench_timing import like_a_run, median_seconds
from avmc_core.speed.bench_way import Way


@click.command()
@click.option(
    "--full", is_flag=True, help="Also write and import a supervised file of full size (3.6 GB)."
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Threads of a training step; default: as many as PyTorch takes.",
)
@click.option(
    "--short",
    is_flag=True,
    help="The simulated corpus's sequence lengths instead of the released ones.",
)
@click.option(
    "--only",
    default="",
    help="Only these parts, comma-separated: "
    f"{', '.join([*bench_cases.CASES, *bench_bert.STAGES])}, data, models, scaling, seeds.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A model of the part seeds, which trains several seeds together; may be repeated; "
    f"default: {'; '.join(bench_seeds.GROUPS)}.",
)
@click.option(
    "--seeds",
    "count",
    type=click.IntRange(2),
    help="How many seeds the part seeds trains together; default: "
    f"{bench_seeds.usual('cpu')}, on a GPU {bench_seeds.usual('cuda')}.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where steps are made and seeds are trained; on a GPU there is no part data.",
)
def main(
    full: bool,
    threads: int | None,
    short: bool,
    only: str,
    models: tuple[str, ...],
    count: int | None,
    device: str,
) -> None:
    """Measure steps, data access and scaling on this machine; write results/bench.json, and for a
    GPU results/bench_gpu.json."""
    place = checked_device(device)
    if full and elsewhere(place):
        raise click.UsageError("--full is about the part data, which a GPU has no share in")
    given, threads = threads, threads or torch.get_num_threads()
    usual = bench_seeds.usual(place)
    steps = bench_cases.STEPS_SHORT if short else schema.STEPS
    chosen = parts(
        only, threads, steps, full, models or tuple(bench_seeds.GROUPS), count or usual, place
    )
    options = [
        (f"--device {device}", elsewhere(place)),
        ("--full", full),
        ("--short", short),
        (f"--threads {given}", given),
        (f"--only {only}", only),
        *((f"--model '{model}'", True) for model in models),
        (f"--seeds {count}", count not in (None, usual)),
    ]
    command = " ".join(["avmc bench", *(words for words, asked in options if asked)])
    sizes = "short sequences" if short else "the released sizes"
    if elsewhere(place):
        result = {"machine": bench_gpu.machine(threads, place) | {"processor": processor()}}
    else:
        result = {"machine": machine(threads)}
    click.echo(render("machine", result["machine"]))
    begin = time.perf_counter()
    for name, part in chosen.items():
        result[name] = attempted(part, place)
        if elsewhere(place):
            result[name] |= gpu_record.distance(result[name], result["machine"])
        click.echo(render(name, result[name]))
        provenance = {
            "data": f"made-up clips of {sizes}",
            "command": command,
            "commit": commit(),
            "date": datetime.now(UTC).date().isoformat(),
            "minutes": (time.perf_counter() - begin) / 60,
        }
        # after every part, so that an interrupted benchmark leaves some
        path = artefacts.save(gpu_record.NAME if elsewhere(place) else "bench", result, provenance)
    click.echo(path)
    if failed := gpu_record.failed(result):
        click.echo(f"not measured: {', '.join(failed)}; the record says why", err=True)
        sys.exit(1)


def parts(
    only: str,
    threads: int,
    steps: dict[str, int] = schema.STEPS,
    full: bool = False,
    models: tuple[str, ...] = tuple(bench_seeds.GROUPS),
    count: int = bench_seeds.usual("cpu"),
    device: str = "cpu",
) -> dict[str, Callable[[], Any]]:
    """The parts of the benchmark that ``only`` names, separated by commas; all where it is empty.
    Each is called to be measured. Access to the data is no part of a GPU's.

    Raises click.BadParameter for an unknown name.
    """
    known: dict[str, Callable[[], Any]] = {
        name: lambda name=name: bench_cases.time_step(name, threads, encoder, steps, device=device)
        for name in bench_cases.CASES
    }
    known |= {
        name: lambda name=name: bench_bert.outside(name, threads, steps, device=device)
        for name in bench_bert.STAGES
    }
    known |= {
        "models": lambda: bench_models.all_models(threads, steps, device),
        **({} if elsewhere(device) else {"data": lambda: data_path(full)}),
        "scaling": lambda: scaling(threads, device),
        "seeds": lambda: bench_seeds.side_by_side(models, count, device),
    }
    wanted = set(filter(None, only.split(",")))
    if only and not wanted:
        raise click.BadParameter(
            f"{only!r} names nothing; known: {', '.join(known)}", param_hint="--only"
        )
    if unknown := wanted - set(known):
        raise click.BadParameter(
            f"{', '.join(sorted(unknown))}; known: {', '.join(known)}", param_hint="--only"
        )
    chosen = {name: part for name, part in known.items() if not wanted or name in wanted}
    needed = {"semi", "supervised"} & set(chosen)
    encoder = bench_cases.text_encoder().to(device) if needed else None
    return chosen


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
    # PyTorch's product, and ours
    ways = (lambda: a @ a, lambda: linear_of_frames(a, a, None))
    return {
        "processor": processor(),
        "threads": threads,
        "load": os.getloadavg()[0],  # what else ran in the minute before
        "torch": version("torch"),
        "recurrence": "compiled" if compiled.kernels() else "PyTorch",
        "gemm_gflops": 2 * 2048**3 / min(median_seconds(way, threads, 9) for way in ways) / 1e9,
        "copy_gb_per_s": 2
        * source.nbytes
        / median_seconds(lambda: target.copy_(source), threads, 9)
        / 1e9,
    }


def processor() -> str:
    """The processor's name, as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")),
        platform.machine(),
    )


def scaling(threads: int, device: str = "cpu") -> dict[str, Any]:
    """Seconds of a pass of AV-MC(Semi), over a factor of 8 in clips, in frames and in batch
    size."""
    clips = {n: _pass_seconds(threads, device, clips=n) for n in (64, 128, 256, 512)}
    frames = {n: _pass_seconds(threads, device, share=n) for n in (1 / 8, 1 / 4, 1 / 2, 1)}
    batch = {n: _pass_seconds(threads, device, batch=n) for n in (16, 32, 64, 128)}
    return {"clips": clips, "frames": frames, "batch": batch}


def _pass_seconds(
    threads: int, device: str, clips: int = 128, share: float = 1.0, batch: int = 64
) -> float:
    caps = {name: int(cap * share) if name != "text" else cap for name, cap in schema.STEPS.items()}
    case = bench_cases.BenchCase("AV-MC(Semi)", stage="mixup")
    split = made_up(clips, caps)
    way: Way | Company = bench_cases.fast_way(case, split, device=device)
    build = partial(bench_cases.network, case, split)
    if as_runs_do(build, device):
        way = Company(way.data, build, case, device)
    order = torch.Generator().manual_seed(0)
    with like_a_run(threads, True, device), way.in_a_pass():
        return median_seconds(
            lambda: [way.step(rows) for rows in way.data.shuffled(batch, order)],
            threads,
            5,
            device=device,
        )
