"""The cost of each model at its published settings: a step, an epoch, and the peak memory of a
process that trains."""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from avmc_core import schema
from avmc_core.data.batches import SplitData
from avmc_core.models import registry
from avmc_core.runs.experiments import MENDABLE
from avmc_core.speed.bench_cases import bert, made_up, on_device, sizes_of
from avmc_core.speed.bench_company import Company, as_runs_do
from avmc_core.speed.bench_device import attempted, elsewhere, peak_mb, work
from avmc_core.speed.bench_process import printed_by
from avmc_core.speed.bench_timing import like_a_run, median_seconds
from avmc_core.speed.bench_way import BenchCase, Way

MODELS = (*MENDABLE, "AV-MC", "AV-MC(Semi)", "Unimodal LSTM")
TRAIN, UNLABELLED = 2722, 10_161  # clips of the released data
CLIPS = {"train": TRAIN, schema.TRAIN_MIX: TRAIN + UNLABELLED}  # that a pass sees


def all_models(
    threads: int, steps: dict[str, int] = schema.STEPS, device: str = "cpu"
) -> dict[str, dict[str, Any]]:
    """``cost`` of every model, each in a process of its own, so that each has its own peak."""
    return {
        name: attempted(lambda name=name: _alone(name, threads, steps, device), device)
        for name in MODELS
    }


def _alone(name: str, threads: int, steps: dict[str, int], device: str) -> dict[str, Any]:
    words = name, threads, json.dumps(steps), device
    return printed_by("-m", "avmc_core.speed.bench_models", *words)


def cost(
    name: str, threads: int, steps: dict[str, int], layers: int = 12, device: str = "cpu"
) -> dict[str, Any]:
    """Seconds of a step of the slowest pass and of an epoch, a step for each batch of each pass's
    clips; MB at the peak and of the libraries alone. One batch of made-up clips is in memory; BERT,
    where it is fine-tuned, has random weights. On a GPU also the ``work`` of the slowest step, and
    ``device_mb``, the most memory that tensors took there."""
    settings = registry.settings_of(name)
    able = registry.capabilities(name, settings)
    if able.text_encoder:
        import transformers.models.bert.modeling_bert  # noqa: F401 - counted with the libraries
    libraries = status_mb("VmHWM")
    encoder = (bert(layers),) if able.text_encoder else ()
    clips = settings.training.batch_size
    split = made_up(clips, steps)
    build = partial(registry.builder(name), settings, sizes_of(split), *encoder)
    model = build().train().to(device)
    data = on_device(SplitData(split, model.inputs), device)
    optimizers, rows = model.optimizers(), torch.arange(clips)
    together = not able.text_encoder and as_runs_do(build, device)
    seconds, epoch, there = [], 0.0, {}
    for single in model.passes(1):
        case = BenchCase(name, stage=single.stage)
        if together:
            way = Company(data, build, case, device, optimizer_number=single.optimizer)
        else:
            way = Way(data, model, case, device)
            way.optimizer = optimizers[single.optimizer]
        way.model.begin_pass(single, 1)
        with like_a_run(threads, True, device), way.in_a_pass():
            step = partial(way.step, rows)
            seconds.append(median_seconds(step, threads, 5, 5.0, device))
            if elsewhere(device) and seconds[-1] == max(seconds):
                there = work(step, device)
        epoch += math.ceil(CLIPS[single.split] / clips) * seconds[-1]
    peak = {"peak_mb": status_mb("VmHWM"), "libraries_mb": libraries}
    there |= {"device_mb": peak_mb(device)} if elsewhere(device) else {}
    return {"clips": clips, "threads": threads, "step": max(seconds), "epoch": epoch} | peak | there


def status_mb(field: str) -> float:
    """A line of this process's status in MB; getrusage would also count what its parent held when
    it was started."""
    return (
        int(Path("/proc/self/status").read_text(encoding="utf-8").split(field + ":")[1].split()[0])
        / 1024
    )


if __name__ == "__main__":
    words = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    print(json.dumps(cost(*words, device=sys.argv[4])))
