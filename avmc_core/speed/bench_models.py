"""The cost of each model at its published settings: a step, an epoch, and the peak memory of a
process that trains."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from avmc_core import schema
from avmc_core.data.batches import SplitData
from avmc_core.models import registry
from avmc_core.runs.experiments import MENDABLE
from avmc_core.speed.bench_cases import bert, like_a_run, made_up, median_seconds, sizes_of
from avmc_core.speed.bench_process import printed_by
from avmc_core.speed.bench_way import BenchCase, Way

MODELS = (*MENDABLE, "AV-MC", "AV-MC(Semi)", "Unimodal LSTM")
TRAIN, UNLABELLED = 2722, 10_161  # clips of the released data
CLIPS = {"train": TRAIN, schema.TRAIN_MIX: TRAIN + UNLABELLED}  # that a pass sees


def all_models(threads: int, steps: dict[str, int] = schema.STEPS) -> dict[str, dict[str, Any]]:
    """``cost`` of every model, each in a process of its own, so that each has its own peak."""
    return {name: _alone(name, threads, steps) for name in MODELS}


def _alone(name: str, threads: int, steps: dict[str, int]) -> dict[str, Any]:
    return printed_by("-m", "avmc_core.speed.bench_models", name, threads, json.dumps(steps))


def cost(name: str, threads: int, steps: dict[str, int], layers: int = 12) -> dict[str, Any]:
    """Seconds of a step of the slowest pass and of an epoch, a step for each batch of each pass's
    clips; MB at the peak and of the libraries alone. One batch of made-up clips is in memory; BERT,
    where it is fine-tuned, has random weights."""
    settings = registry.settings_of(name)
    able = registry.capabilities(name, settings)
    if able.text_encoder:
        import transformers.models.bert.modeling_bert  # noqa: F401 - counted with the libraries
    libraries = status_mb("VmHWM")
    encoder = (bert(layers),) if able.text_encoder else ()
    clips = settings.training.batch_size
    split = made_up(clips, steps)
    model = registry.builder(name)(settings, sizes_of(split), *encoder).train()
    data, optimizers, rows = SplitData(split, model.inputs), model.optimizers(), torch.arange(clips)
    seconds, epoch = [], 0.0
    for single in model.passes(1):
        model.begin_pass(single, 1)
        way = Way(data, model, BenchCase(name, stage=single.stage))
        way.optimizer = optimizers[single.optimizer]
        with like_a_run(threads, True):
            seconds.append(median_seconds(lambda way=way: way.step(rows), threads, 5))
        epoch += math.ceil(CLIPS[single.split] / clips) * seconds[-1]
    peak = {"peak_mb": status_mb("VmHWM"), "libraries_mb": libraries}
    return {"clips": clips, "threads": threads, "step": max(seconds), "epoch": epoch, **peak}


def status_mb(field: str) -> float:
    """A line of this process's status in MB; getrusage would also count what its parent held when
    it was started."""
    return (
        int(Path("/proc/self/status").read_text(encoding="utf-8").split(field + ":")[1].split()[0])
        / 1024
    )


if __name__ == "__main__":
    print(json.dumps(cost(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))))
