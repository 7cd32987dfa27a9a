"""What the benchmark times: one training step of a model, naive and fast, on made-up clips of the
released sizes.

Both start from the same arrays, weights and clips. The naive way reads padded float64 arrays
clip by clip, runs ``bench_naive``'s networks and, for AV-MC, a frozen text encoder of BERT-base's
size in every forward pass (in evaluation mode; the released code leaves it in training mode, D16).
The fast way is what ``avmc run`` does.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch
from avmc_core.data.batches import DENSE, Resident, SplitData
from avmc_core.data.store import Ragged, Split
from avmc_core.mixup import Draw
from avmc_core.models import registry
from avmc_core.models.base import Model, Sizes
from avmc_core.speed.bench_company import Company, as_runs_do
from avmc_core.speed.bench_device import elsewhere
from avmc_core.speed.bench_limits import dependent_steps, least
from avmc_core.speed.bench_naive import naive
from avmc_core.speed.bench_seeds import usual
from avmc_core.speed.bench_timing import like_a_run, timing
from avmc_core.speed.bench_way import BenchCase, Way

MEAN_STEPS = {"text": 18, "audio": 370, "vision": 90}  # about those of the released clips
STEPS_SHORT = {"text": 50, "audio": 116, "vision": 29}  # the embedded corpus's caps
WORDS = 21_128  # of bert-base-chinese


CASES = {
    "semi": BenchCase("AV-MC(Semi)", encoder=True, stage="mixup"),
    "supervised": BenchCase("AV-MC", encoder=True, stage="mixup"),
    "MulT": BenchCase("MulT"),
    "TFN": BenchCase("TFN"),
    "MFN": BenchCase("MFN"),
    "Graph_MFN": BenchCase("Graph_MFN"),
}


def made_up(clips: int, steps: dict[str, int] = schema.STEPS, seed: int = 0) -> Split:
    """Random clips with the released widths, caps ``steps``, and lengths of the released clips'
    mean and skew."""
    rng = np.random.default_rng(seed)
    part = rng.gamma(2.5, 1 / 2.5, clips)  # a clip's duration relative to the mean
    ragged = {}
    for name, cap in steps.items():
        mean = MEAN_STEPS[name] * cap / schema.STEPS[name]
        lengths = np.clip(part * mean, 3, cap).astype(np.int64)
        lengths[0] = cap
        values = rng.standard_normal((lengths.sum(), schema.DIMS[name]), dtype=np.float32)
        ragged[name] = Ragged.of(((values, np.concatenate([[0], lengths.cumsum()])),), cap)
    valid = np.arange(steps["text"]) < ragged["text"].lengths[:, None]
    tokens = np.stack(
        [rng.integers(1, WORDS, valid.shape) * valid, valid, np.zeros_like(valid)], 1
    ).astype(np.int64)
    labels = (rng.integers(-5, 6, (clips, len(schema.TASKS))) / 5).astype(np.float32)
    return Split(
        "train", pd.DataFrame(), **ragged, tokens=tokens, labels=labels, mask=np.ones(clips, bool)
    )


class PaddedArrays:
    """The naive data path: everything padded in float64, read clip by clip."""

    def __init__(self, split: Split, fast: SplitData):
        self.arrays = {
            m: getattr(split, m).padded(np.arange(len(split))).astype(np.float64)
            for m in schema.MODALITIES
        }
        self.split, self.fast = split, fast

    def batch(self, rows: Tensor) -> Batch:
        fields = {}
        for name, array in self.arrays.items():
            view = getattr(self.fast.inputs, name)
            x = torch.stack([torch.tensor(array[row], dtype=torch.float32) for row in rows])
            lengths = getattr(self.split, name).lengths[rows]
            if view == "cls":
                x = x[:, 0]
            elif view in DENSE:
                x = x.sum(1) / (
                    array.shape[1] if view == "padded_mean" else torch.tensor(lengths)[:, None]
                )
            elif view != "padded":
                x = x[:, : lengths.max()]
            fields[name] = x
        return replace(self.fast.batch(rows), **fields)


def bert(layers: int = 12, words: int = WORDS) -> nn.Module:
    """An encoder of the size of bert-base-chinese, unless told otherwise, with random weights."""
    from transformers import BertConfig, BertModel

    return BertModel(
        BertConfig(vocab_size=words, num_hidden_layers=layers), add_pooling_layer=False
    )


def text_encoder() -> nn.Module:
    """The text encoder ``bert``, frozen and in evaluation mode."""
    return bert().eval().requires_grad_(False)


def fast_way(
    case: BenchCase, split: Split, encoder: nn.Module | None = None, device: str = "cpu"
) -> Way:
    """What ``avmc run`` does: text features once for the store, whose cost is not part of a
    step. The encoder, if given, is on the device."""
    model = network(case, split)
    data = SplitData(split, model.inputs)
    if encoder is not None:
        batches = [data.batch(rows).to(device) for rows in torch.arange(len(data)).split(32)]
        data._dense["text"] = torch.cat([encode(encoder, batch) for batch in batches]).cpu()
    return Way(on_device(data, device), model, case, device)


def on_device(data: SplitData, device: str) -> SplitData:
    """The clips where a run keeps them: on a GPU they are moved there once."""
    return Resident(data, device) if elsewhere(device) else data


def naive_way(
    case: BenchCase, split: Split, encoder: nn.Module | None = None, device: str = "cpu"
) -> Way:
    """Padded arrays, plain networks, and the text encoder, if given, in every forward pass."""
    model = naive(network(case, split))
    if encoder is not None:
        plain = model.forward
        model.forward = lambda batch: plain(replace(batch, text=encode(encoder, batch)))
    return Way(PaddedArrays(split, SplitData(split, model.inputs)), model, case, device)


def network(case: BenchCase, split: Split) -> Model:
    """The published network; the same weights at every call."""
    torch.manual_seed(0)
    return registry.builder(case.model)(registry.settings_of(case.model), sizes_of(split))


def sizes_of(split: Split) -> Sizes:
    """What a network is built for: the released feature widths, with the steps and the number of
    clips of ``split``."""
    return Sizes(
        **{f"{m}_steps": getattr(split, m).steps for m in schema.MODALITIES}, train_clips=len(split)
    )


def encode(encoder: nn.Module, batch: Batch) -> Tensor:
    """[CLS] states of the sentences (B, 768)."""
    ids, mask, segments = batch.tokens.unbind(1)
    with torch.no_grad():
        return encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=segments
        ).last_hidden_state[:, 0]


def no_fixed_points(draws: dict[str, Draw]) -> dict[str, Draw]:
    """The draws with their lambdas, but with partners that form one random cycle. The loss of a
    clip that is mixed with itself is zero up to rounding, and the sign of its L1 gradient
    therefore depends on the processor."""
    changed = {}
    for name, draw in draws.items():
        order = torch.randperm(len(draw.partner))
        partner = torch.empty_like(order)
        partner[order] = order.roll(1)
        changed[name] = replace(draw, partner=partner)
    return changed


def without_dropout(model: nn.Module) -> None:
    """Sets evaluation mode, except for recurrences: they have no dropout, and cuDNN computes their
    gradients in training mode only."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.LSTM):
            module.train()


def agreement(slow: Way, fast: Way, rows: Tensor) -> dict[str, float]:
    """Largest relative difference of the losses, and of the gradients relative to each parameter's
    largest entry, without dropout and with the same mixup, in which no clip meets itself."""
    losses, gradients = [], []
    for way in (slow, fast):
        without_dropout(way.model)
        way.model.zero_grad()
        torch.manual_seed(1)
        mixed = ()
        if way.case.stage == "mixup":
            drawn = no_fixed_points(way.model.draws(len(rows)))
            mixed = (
                {
                    name: Draw(draw.partner.to(way.device), draw.lam.to(way.device))
                    for name, draw in drawn.items()
                },
            )
        own = way.model.loss(way.batch(rows), way.case.stage, *mixed)
        own["total"].backward()
        losses.append({name: value.item() for name, value in own.items()})
        gradients.append(
            {n: p.grad.clone() for n, p in way.model.named_parameters() if p.grad is not None}
        )
        way.model.train()
    return {
        "loss": max(abs(losses[0][n] - v) / max(abs(v), 1e-6) for n, v in losses[1].items()),
        "gradient": max(
            float((gradients[0][n] - g).abs().max() / g.abs().max().clamp(min=1e-6))
            for n, g in gradients[1].items()
        ),
    }


def time_step(
    name: str,
    threads: int,
    encoder: nn.Module | None,
    steps: dict[str, int] = schema.STEPS,
    repeats: int = 15,
    device: str = "cpu",
) -> dict[str, Any]:
    """Seconds of one step both ways, their ratio, how far losses and gradients are apart, and the
    least that a step must do. On a GPU also what either way makes the device do (``work``), how
    many steps of recurrences wait for the one before, and, where runs are trained side by side
    there, the step of all seeds together."""
    case = CASES[name]
    clips = case.clips or registry.settings_of(case.model).training.batch_size
    split = made_up(clips, steps)
    slow, fast = (
        make(case, split, encoder if case.encoder else None, device)
        for make in (naive_way, fast_way)
    )
    # arithmetic is counted where the processor computes, the same whatever computes it
    counted = fast_way(case, split) if elsewhere(device) else fast
    rows = torch.randperm(clips, generator=torch.Generator().manual_seed(0))
    result: dict[str, Any] = {"clips": clips, "threads": threads}
    with like_a_run(threads, True, device):
        result |= agreement(slow, fast, rows) | least(counted, rows)
    if elsewhere(device):
        result["dependent"] = dependent_steps(counted, rows)
    ways: dict[str, Way | Company] = {"naive": slow, "fast": fast}
    build, seeds = partial(network, case, split), usual(device)
    if as_runs_do(build, device):
        ways["fast"] = Company(fast.data, build, case, device)
        many = on_device(SplitData(made_up(seeds * clips, steps), fast.model.inputs), device)
        ways["together"] = Company(many, build, case, device, seeds)
        result["seeds"] = seeds
    for label, way in ways.items():
        own = rows if label != "together" else torch.arange(seeds * clips)
        with like_a_run(threads, label != "naive", device), way.in_a_pass():
            timed = timing(partial(way.step, own), threads, device, repeats)
        result[label] = timed.pop("seconds")
        result |= {f"{label}_{name}": value for name, value in timed.items()}
    if "together" in ways:
        result["together_ratio"] = result["together"] / result["fast"]
    return result | {"ratio": result["naive"] / result["fast"]}
