"""The benchmark's record of a GPU, in words and tables: the one made on this machine, or else the
one that the package carries, if any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from avmc_core.home import home, resource

NAME = "bench_gpu"
TITLES = {"semi": "AV-MC(Semi)", "supervised": "AV-MC"}


def own() -> Path:
    """Where the benchmark writes the record on this machine."""
    return home() / "results" / f"{NAME}.json"


def path() -> Path | None:
    """The file of the record; None where there is none."""
    return next((file for file in (own(), resource(f"{NAME}.json")) if file.is_file()), None)


def read() -> dict[str, Any] | None:
    """The record, ``provenance`` and ``data``; None where there is none."""
    file = path()
    return None if file is None else json.loads(file.read_text(encoding="utf-8"))


def distance(part: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, float]:
    """The least seconds of a timed step by each limit of the machine, and ``times_limit``, how many
    times the largest of them it takes; nothing for other parts of the benchmark.

    ``arithmetic`` and ``bytes`` hold for every program; ``launches`` for a host that launches each
    kernel of this step by itself; ``recurrences`` for steps that wait for each other, at the time
    that one takes here.
    """
    if "gflop" not in part or "fast" not in part:
        return {}
    least = {
        "arithmetic": part["gflop"] / machine["gemm_gflops"],
        "bytes": part["megabytes"] / 1000 / machine["copy_gb_per_s"],
        "launches": (part["fast_kernels"] + part["fast_copies"]) * machine["launch_us"] / 1e6,
        "recurrences": part["dependent"] * machine["step_us"] / 1e6,
    }
    return least | {"times_limit": part["fast"] / max(least.values())}


def failed(data: Mapping[str, Any]) -> list[str]:
    """The parts, and the models of a part, that could not be measured."""
    names = []
    for name, part in data.items():
        if isinstance(part, Mapping):
            names += [name] if "failed" in part else [f"{name}: {one}" for one in failed(part)]
    return names


def machine(record: Mapping[str, Any]) -> str:
    """The card, its software and its limits, in a sentence or two."""
    facts, origin = record["data"]["machine"], record["provenance"]
    launched = "one launch" if facts["recurrence"] == "launched" else "cuDNN's"
    rounding = "rounded to TF32" if facts["tf32"] else "in float32"
    return (
        f"Recorded on {origin['date']} in {origin['minutes']:.1f} minutes, code version "
        f"{origin['commit'] or 'unknown'}: {facts['gpu']}, driver {facts['driver'] or 'unknown'}, "
        f"PyTorch {facts['torch']}, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}, Triton "
        f"{facts['triton'] or 'not installed'}; products {rounding}; recurrences: {launched}. "
        f"Matrix products ran at {facts['gemm_gflops'] / 1000:.1f} TFLOP/s, copies at "
        f"{facts['copy_gb_per_s']:.0f} GB/s, a launch took {facts['launch_us']:.1f} µs, a step of "
        f"a recurrence {facts['step_us']:.2f} µs."
    )


def tables(
    record: Mapping[str, Any],
) -> list[tuple[str, str, pd.DataFrame, dict[str, int | str]]]:
    """The tables of the record that are not empty: the name of each, the words before it, the
    table, and the decimals of its columns."""
    seconds = ("naive, s", "fast, s", "measured, s", "step, s", "device busy, s")
    seconds += ("one, s", "together, s")
    least = ("arithmetic, s", "bytes, s", "recurrences, s", "launches, s")
    few = ("times faster", "times the limit", "epoch, s", "ratio")
    decimals = (
        dict.fromkeys(seconds, 4)
        | dict.fromkeys(least, 5)
        | dict.fromkeys(few, 1)
        | {"on the card, MB": 0, "gradients differ by": ".0e"}
    )
    known = (
        ("gpu", "One training step:", steps(record)),
        (
            "gpu-limits",
            "The limits of the same steps: arithmetic and bytes at the card's rates; the steps of "
            "recurrences that wait for each other, at what one takes there; and what a host needs "
            "that launches every kernel by itself.",
            limits(record),
        ),
        ("gpu-company", "Several seeds in one step, each with its own clips:", company(record)),
        ("gpu-models", "Every model, in a process of its own:", models(record)),
        ("gpu-seeds", "Several seeds, on the simulated corpus:", seeds(record)),
    )
    return [
        (name, words, table, {key: n for key, n in decimals.items() if key in table})
        for name, words, table in known
        if not table.empty
    ]


def steps(record: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each model whose step was timed both ways."""
    columns = {
        "clips": "clips",
        "naive, s": "naive",
        "fast, s": "fast",
        "times faster": "ratio",
        "naive kernels": "naive_kernels",
        "kernels": "fast_kernels",
        "device busy, s": "fast_busy",
        "gradients differ by": "gradient",
    }
    return _table(_timed(record), columns)


def limits(record: Mapping[str, Any]) -> pd.DataFrame:
    """The least seconds of the same steps by each limit (``distance``), and how far they are."""
    columns = {
        "arithmetic, s": "arithmetic",
        "bytes, s": "bytes",
        "recurrences, s": "recurrences",
        "launches, s": "launches",
        "measured, s": "fast",
        "times the limit": "times_limit",
    }
    return _table(_timed(record), columns)


def company(record: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each model whose runs are trained side by side there: the step of one seed, and
    that of all together."""
    columns = {
        "one, s": "fast",
        "seeds": "seeds",
        "together, s": "together",
        "ratio": "together_ratio",
        "kernels of one": "fast_kernels",
        "kernels": "together_kernels",
        "device busy, s": "together_busy",
    }
    beside = [(model, part) for model, part in _timed(record) if "together" in part]
    return _table(beside, columns)


def models(record: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each model: a step, an epoch, and the memory that tensors took on the card."""
    columns = {
        "clips": "clips",
        "step, s": "step",
        "kernels": "kernels",
        "device busy, s": "busy",
        "epoch, s": "epoch",
        "on the card, MB": "device_mb",
    }
    return _table(_measured(record["data"].get("models", {})), columns)


def seeds(record: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each model of which several seeds were trained: one seed, and all of them; times
    are missing where a model's seeds are trained one after the other."""
    columns = {
        "one, s": "one",
        "seeds": "seeds",
        "together, s": "together",
        "as": "as",
        "ratio": "ratio",
    }
    parts = _measured(record["data"].get("seeds", {}))
    untimed = dict.fromkeys(columns.values())
    return _table([(model, untimed | part) for model, part in parts], columns)


def _table(
    parts: Iterable[tuple[str, Mapping[str, Any]]], columns: Mapping[str, str]
) -> pd.DataFrame:
    """One row for each model, with a column for each heading; raises KeyError where a part lacks
    what stands under one."""
    return pd.DataFrame(
        {"Model": model, **{heading: part[name] for heading, name in columns.items()}}
        for model, part in parts
    )


def _timed(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (TITLES.get(name, name), part)
        for name, part in _measured(record["data"])
        if "times_limit" in part
    ]


def _measured(parts: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The parts that did not fail."""
    if "failed" in parts:
        return []
    return [(name, part) for name, part in parts.items() if "failed" not in part]
