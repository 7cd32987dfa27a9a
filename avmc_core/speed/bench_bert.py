"""The share of a training step that is spent outside BERT, for models that fine-tune it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from avmc_core import schema
from avmc_core.data.batches import SplitData
from avmc_core.models import registry
from avmc_core.speed.bench_cases import (
    WORDS,
    bert,
    made_up,
    on_device,
    sizes_of,
)
from avmc_core.speed.bench_timing import like_a_run, timing
from avmc_core.speed.bench_way import BenchCase, Way

STAGES = {"MISA": "train", "Self_MM": "train", "MMIM": "main", "Bert_MAG": "train"}
FEW = 100  # words of the encoder that is hardly there


def outside(
    name: str,
    threads: int,
    steps: dict[str, int] = schema.STEPS,
    layers: int = 12,
    repeats: int = 9,
    device: str = "cpu",
) -> dict[str, Any]:
    """Seconds of a step with an encoder of BERT-base's size, of the same step with one that has no
    layers and hardly any words, and the second as a share of the first: an upper bound, because
    embeddings and, where there is one, pooler stay. On a GPU also what either makes the device
    do (``bench_device.work``)."""
    settings = registry.settings_of(name, {"text": "finetune"})
    clips = settings.training.batch_size
    split = made_up(clips, steps)
    rows = torch.arange(clips)
    seconds = {}
    for label, (depth, words) in {"whole": (layers, WORDS), "rest": (0, FEW)}.items():
        torch.manual_seed(0)
        model = registry.builder(name)(settings, sizes_of(split), bert(depth, words)).train()
        data = SplitData(replace(split, tokens=np.minimum(split.tokens, words - 1)), model.inputs)
        way = Way(on_device(data, device), model, BenchCase(name, stage=STAGES[name]), device)
        with like_a_run(threads, True, device):
            timed = timing(lambda way=way: way.step(rows), threads, device, repeats)
        seconds[label] = timed.pop("seconds")
        seconds |= {f"{label}_{name}": value for name, value in timed.items()}
    return {
        "clips": clips,
        "threads": threads,
        **seconds,
        "share": seconds["rest"] / seconds["whole"],
    }
