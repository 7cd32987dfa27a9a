"""A whole training of the reference, replayed by our trainer (see tests/golden/README.md).

What is injected is what the reference drew at random, and nothing else: start weights, the order of
the clips, the draws of the mixup. The loop, the batches, the losses, the optimisers, the epoch that
is kept and the predictions are the product's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import golden_avmc
import golden_bert
import golden_late
import golden_mult
import golden_recurrent
import numpy as np
import pandas as pd
import torch
from golden_files import Golden, state_of
from golden_settings import for_training
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.data.batches import SplitData
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import Split, Store
from avmc_core.mixup import Draw
from avmc_core.models.base import Model
from avmc_core.models.registry import builder
from avmc_core.models.self_mm import SOURCES
from avmc_core.runs.execution import deterministic, network
from avmc_core.runs.training import predict, train
from avmc_core.runs.training_state import Progress

LATE = {**golden_late.ENCODERS, **golden_late.FACTORS}
RULES = {
    "AV-MC": golden_avmc.AVMC_SUPERVISED,
    "AV-MC(Semi)": golden_avmc.AVMC_SEMI,
    **{name: LATE | golden_late.HEADS for name in ("LF_DNN", "LMF", "MLF_DNN", "MLMF")},
    **{name: LATE | golden_late.TENSOR for name in ("TFN", "MTFN")},
    "MFN": golden_recurrent.MFN_RULES,
    "Graph_MFN": golden_recurrent.GRAPH_RULES,
    "MulT": golden_mult.RULES,
    "MISA": golden_bert.MISA,
    "MMIM": golden_bert.MMIM,
    "Self_MM": golden_bert.SELF_MM,
}
# The gradient of a key bias is zero except for rounding, which Adam amplifies: its final value is
# meaningless.
MEANINGLESS = {"MulT": "attention.project.bias"}
KINDS = {  # of the tolerance in the file's metadata, and what it covers
    "predictions": ("valid_pred", "test_pred"),
    "losses": ("batch_loss", "train_loss", "valid_loss", "valid_loss_exact"),
    "end": ("end",),
    "labels": ("labels",),  # of Self_MM, within the tolerance of "end"
}


@dataclass(frozen=True)
class Outcome:
    """One training, by the reference or by us. Tensors are named as in the file, but parameters as
    ours."""

    tensors: dict[str, Tensor]
    test_loss: float  # the reference's is rounded to four decimals
    best_epoch: int
    stops_at: dict[int, int]  # patience to the epoch after which the loop would have stopped

    def differences(self, other: Outcome) -> dict[str, float]:
        """The largest absolute difference for each of ``KINDS``; infinite where an entry is missing
        on one side or a number is not finite."""
        return {
            kind: max(self._furthest(other, name) for name in names)
            for kind, names in KINDS.items()
        }

    def _furthest(self, other: Outcome, group: str) -> float:
        mine, theirs = (
            {name: x.double() for name, x in outcome.tensors.items() if name.split(".")[0] == group}
            for outcome in (self, other)
        )
        if mine.keys() != theirs.keys():
            return float("inf")
        furthest = [
            float((x.squeeze() - theirs[name].squeeze()).abs().max()) for name, x in mine.items()
        ]
        return max((x if np.isfinite(x) else float("inf") for x in furthest), default=0.0)


def recorded(golden: Golden) -> Outcome:
    """The outcome that the reference recorded."""
    name = for_training(golden.config)[0]
    names = ("valid_pred", "test_pred", "valid_loss", "valid_loss_exact")
    batches = _in_time(golden, "batch_loss")
    return Outcome(
        {
            **{name: golden[name] for name in names},
            "batch_loss": torch.cat(batches),
            "train_loss": torch.stack([losses.mean() for losses in batches]),
            **_end(name, state_of(golden.group("end"), RULES[name])),
            **{name: x for name, x in golden.tensors.items() if name.startswith("labels.")},
        },
        float(golden["test_loss"]),
        int(golden["best_epoch"]),
        {int(patience): epoch for patience, epoch in golden.config["stops_at"].items()},
    )


def replay(golden: Golden) -> Outcome:
    """Train as the file says, from its start."""
    name, settings = for_training(golden.config)
    store, dtype = store_of(golden), getattr(torch, golden.config["dtype"])
    orders, draws = iter(_in_time(golden, "order")), _draws(golden)
    models: list[Model] = []
    batch_loss: list[Tensor] = []
    valid_pred: list[Tensor] = []
    exact: list[float] = []
    stops_at: dict[int, int] = {}
    last: dict[str, Tensor] = {}

    def build() -> Model:
        model = network(builder(name), settings, store)()
        start_from(model, state_of(golden.group("start"), RULES[name]))
        if hasattr(model, "draws"):
            model.draws = lambda clips, device: next(draws)
        loss = model.loss

        def noted(batch: Batch, stage: str) -> dict[str, Tensor]:
            losses = loss(batch, stage)
            batch_loss.append(losses["total"].detach())
            return losses

        model.loss = noted
        models.append(model.to(dtype))
        return models[0]

    def data(split: str, inputs: Inputs) -> Recorded:
        return Recorded(store.split(split), inputs, orders, dtype)

    def mean_loss(split: str) -> float:
        clips = data(split, models[0].inputs)
        return unrounded_loss(models[0], clips, settings.training.batch_size)

    def after_epoch(progress: Progress) -> bool:
        valid_pred.append(predicted(models[0], data("valid", models[0].inputs)))
        exact.append(mean_loss("valid"))
        for patience in range(1, progress.epoch):
            if progress.finished(replace(settings.training, patience=patience, max_epochs=0)):
                stops_at.setdefault(patience, progress.epoch)
        last.update({n: x.clone() for n, x in models[0].state_dict().items()})
        return False

    with TemporaryDirectory() as folder, deterministic(1):
        model, progress = train(build, data, 0, Path(folder), stop=after_epoch)
        test_pred = predicted(model, data("test", model.inputs))
        test_loss = mean_loss("test")
    assert not list(orders) and not list(draws), (
        "the reference has passes or batches that our loop did not make"
    )
    labels = last.pop("generated.labels", None)
    means = [x for row in progress.history for stage, x in row.items() if stage.endswith(".total")]
    tensors = {
        "valid_pred": torch.stack(valid_pred),
        "test_pred": test_pred,
        "batch_loss": torch.stack(batch_loss),
        "train_loss": torch.tensor(means, dtype=torch.float64),
        "valid_loss": torch.tensor(
            [row["validation"] for row in progress.history], dtype=torch.float64
        ),
        "valid_loss_exact": torch.tensor(exact, dtype=torch.float64),
        **_end(name, last),
        **(
            {}
            if labels is None
            else {f"labels.{source}": x for source, x in zip(SOURCES, labels, strict=True)}
        ),
    }
    return Outcome(tensors, test_loss, progress.best_epoch, stops_at)


def _end(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    skipped = MEANINGLESS.get(name, "nothing")
    return {
        f"end.{n}": x
        for n, x in state.items()
        if not n.startswith("generated.") and not n.endswith(skipped)
    }


def unrounded_loss(model: Model, data: SplitData, batch_size: int) -> float:
    """The reference's mean over batches before it is rounded."""
    with torch.no_grad():
        return float(
            torch.stack(
                [
                    model.validation_loss(model(batch), batch).mean().double()
                    for batch in data.in_order(batch_size)
                ]
            ).mean()
        )


def predicted(model: Model, data: SplitData) -> Tensor:
    return torch.from_numpy(predict(model, data)["M"])


def start_from(model: Model, start: dict[str, Tensor]) -> None:
    """The recorded weights, all of them and nothing else but tables that training fills; no
    dropout."""
    own = model.state_dict()
    assert all(x.squeeze().shape == own[name].squeeze().shape for name, x in start.items())
    # some of theirs carry axes of size one
    start = {name: x.reshape(own[name].shape) for name, x in start.items()}
    missing, _ = model.load_state_dict(start, strict=False)
    assert all(name.startswith("generated.") for name in missing) and not start.keys() - own.keys()
    for module in model.modules():  # those that no setting reaches
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0


def store_of(golden: Golden) -> Store:
    """The file's clips as an opened feature store."""
    names = dict.fromkeys(key.split(".")[0] for key in golden.group("data"))
    splits = {name: _split(name, golden.group(f"data.{name}")) for name in names}
    return Store(Path("golden"), {"kind": "simulated"}, splits)


def _split(name: str, data: dict[str, Tensor]) -> Split:
    labels, rows = data["labels"].numpy(), len(data["mask"])
    ragged = {m: _ragged(data[m].numpy(), data[f"{m}_lengths"].numpy()) for m in schema.MODALITIES}
    clips = pd.DataFrame(labels, columns=list(schema.TASKS))
    tokens = np.zeros((rows, 3, data["text"].shape[1]), dtype=np.int64)
    return Split(
        name, clips, **ragged, tokens=tokens, labels=labels, mask=data["mask"].numpy().astype(bool)
    )


def _ragged(x: np.ndarray, lengths: np.ndarray) -> Ragged:
    values = np.concatenate([clip[:length] for clip, length in zip(x, lengths, strict=True)])
    return Ragged.of(((values, np.concatenate([[0], np.cumsum(lengths)])),), x.shape[1])


class Recorded(SplitData):
    """A split whose clips come in the recorded order, one order for each pass over any split, in
    the training's precision."""

    def __init__(self, split: Split, inputs: Inputs, orders: Iterator[Tensor], dtype: torch.dtype):
        super().__init__(split, inputs)
        self.orders, self.dtype = orders, dtype

    def order(self, generator: torch.Generator) -> Tensor:
        return next(self.orders)

    def batch(self, rows: Tensor) -> Batch:
        batch = super().batch(rows)
        tensors = {f.name: getattr(batch, f.name) for f in fields(batch)}
        return Batch(
            **{
                name: x.to(self.dtype) if x.is_floating_point() else x
                for name, x in tensors.items()
            }
        )


def _in_time(golden: Golden, prefix: str) -> list[Tensor]:
    """The tensors ``PREFIX.epoch.pass`` in the order of time."""
    places = [tuple(map(int, name.split("."))) for name in golden.group(prefix)]
    return [golden[f"{prefix}.{epoch}.{number}"] for epoch, number in sorted(places)]


def with_wrong(golden: Golden, setting: str) -> Golden:
    """The same file with one entry of its ``wrong_settings`` ("NAME=VALUE") in its
    configuration."""
    name, value = setting.split("=")
    config = {**golden.config, name: float(value) if "." in value or "e" in value else int(value)}
    if "task_weights" in config:
        config["task_weights"] = {task: config[task] for task in schema.TASKS}
    return replace(golden, config=config)


def _draws(golden: Golden) -> Iterator[dict[str, Draw]]:
    places = {tuple(map(int, name.split(".")[:3])) for name in golden.group("draw")}
    for place in sorted(places):
        parts = golden.group(".".join(map(str, ("draw", *place))))
        yield {
            m: Draw(parts[f"{m}.perm"], parts[f"{m}.lam"].reshape(-1)) for m in ("audio", "vision")
        }
