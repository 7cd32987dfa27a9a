"""One trainer for all models: early stopping on a validation loss over clips, resumable,
deterministic.

Random numbers come from PyTorch's global generator (weights, dropout, mixup), which a run's saved
state carries, and from one generator per pass (the order of the clips), seeded with the run's seed,
the epoch and the pass. A killed run therefore repeats what came after its last saved epoch and
continues as if nothing had happened.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avmc_core.batch import Inputs
from avmc_core.data.batches import Resident, SplitData
from avmc_core.models.base import Model, Pass, Training
from avmc_core.runs import training_state
from avmc_core.runs.training_state import Progress

# a validation loss is better when it is lower by at least this much, as in the reference
MARGIN = 1e-6
VALIDATION = 100  # stands for the validation clips where an epoch's passes are numbered, from 0
# from one saved state to the next pass at least so many times the seconds that saving it took
RARELY = 20.0


class TrainingFailed(RuntimeError):
    """The run cannot go on (a loss that is not finite); the message says where, ``seconds`` how
    long it had been trained."""

    def __init__(self, message: str, seconds: float):
        super().__init__(message)
        self.seconds = seconds


Data = Callable[[str, Inputs], SplitData]  # split name and a model's inputs to its data


def train(
    build: Callable[[], Model],
    data: Data,
    seed: int,
    folder: Path,
    *,
    device: str = "cpu",
    stop: Callable[[Progress], bool] = lambda progress: False,
) -> tuple[Model, Progress]:
    """Train ``build()`` until the validation loss has not improved for ``patience`` epochs; returns
    the best weights.

    ``folder`` must exist; whatever state it holds is continued. ``stop`` is asked after each epoch
    (for tests and for searches that prune). Raises TrainingFailed when a loss is not finite.
    """
    start = time.perf_counter()
    torch.manual_seed(seed)  # before the model is built, as in the reference
    model = build().to(device)
    settings, data = model.training_settings, on_device(data, device)
    optimizers = model.optimizers()
    progress = training_state.restore(folder, model, optimizers)
    start -= progress.seconds
    best: dict[str, Tensor] = {}  # the best weights, unless they are in the folder
    due = 0.0  # when the state is to be saved next
    valid = data("valid", model.inputs)
    while not progress.finished(settings):
        epoch = progress.epoch + 1
        row: dict[str, float] = {}
        for number, single in enumerate(model.passes(epoch)):
            order = torch.Generator().manual_seed(drawn_from(seed, epoch, number))
            losses = _one_pass(
                model, data(single.split, model.inputs), single, optimizers, order, epoch, device
            )
            progress.seconds = time.perf_counter() - start
            if not math.isfinite(losses["total"]):
                raise TrainingFailed(
                    f"epoch {epoch}, pass {single.stage!r}: the training loss is {losses['total']}",
                    progress.seconds,
                )
            row |= {f"{single.stage}.{name}": value for name, value in losses.items()}
        row["validation"] = validation_loss(
            model, valid, settings, device, drawn_from(seed, epoch, VALIDATION)
        )
        progress.seconds = time.perf_counter() - start
        if not math.isfinite(row["validation"]):
            raise TrainingFailed(
                f"epoch {epoch}: the validation loss is {row['validation']}", progress.seconds
            )
        progress.epoch = epoch
        progress.history.append(row)
        if row["validation"] <= progress.best_loss - MARGIN:
            progress.best_loss, progress.best_epoch = row["validation"], epoch
            best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        if (saving := time.monotonic()) >= due:
            training_state.save(folder, model, optimizers, progress, best)
            due = time.monotonic() + RARELY * (time.monotonic() - saving)
        if stop(progress):
            break
    model.load_state_dict(best or training_state.best_weights(folder, progress))
    return model.eval(), progress


def drawn_from(seed: int, epoch: int, number: int) -> int:
    """The seed of the clips' order in one pass of one epoch."""
    return (seed * 10_007 + epoch) * 101 + number


def on_device(data: Data, device: str) -> Data:
    """``data`` with each split resident on ``device``, where it is a GPU that has room for it:
    moved once, not batch by batch."""

    @cache
    def moved(name: str, inputs: Inputs) -> SplitData:
        split = data(name, inputs)
        return Resident(split, device) if _has_room(split, device) else split

    return moved


def _has_room(split: SplitData, device: str) -> bool:
    """Whether a GPU has free memory for the split and as much again for the work."""
    return (
        torch.device(device).type == "cuda"
        and 2 * split.nbytes <= torch.cuda.mem_get_info(device)[0]
    )


def predict(model: Model, data: SplitData, device: str = "cpu") -> dict[str, np.ndarray]:
    """Predictions (N,) float32 of each task that the model was trained for, in the order of the
    split; evaluation mode."""
    model.eval()
    predictions: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for batch in data.in_order():
            output = model(batch.to(device))
            for task in model.tasks:
                if task in output:
                    predictions.setdefault(task, []).append(output[task])
    return {task: torch.cat(parts).cpu().numpy() for task, parts in predictions.items()}


def validation_loss(
    model: Model, data: SplitData, settings: Training, device: str = "cpu", seed: int = 0
) -> float:
    """The loss that decides which epoch is kept, by ``settings.validation``: "clips", its mean over
    clips; "batches", the reference's mean over batches, rounded to four decimals, in which a clip
    of the last, smaller batch counts for more (D11), here in the store's order; "shuffled_batches",
    the same over batches of an order that ``seed`` draws, as the reference shuffles (D17)."""
    model.eval()
    rows = torch.arange(len(data))
    if settings.validation == "shuffled_batches":
        rows = data.order(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        batches = (data.batch(part).to(device) for part in rows.split(validation_size(settings)))
        losses = [model.validation_loss(model(batch), batch).double() for batch in batches]
    if settings.validation == "clips":
        return float(torch.cat(losses).mean())
    return round(float(torch.stack([loss.mean() for loss in losses]).mean()), 4)


def validation_size(settings: Training) -> int:
    """The number of clips in a validation batch: that of a training batch only where the loss
    depends on it (D11)."""
    return 128 if settings.validation == "clips" else settings.batch_size


def _one_pass(
    model: Model,
    data: SplitData,
    single: Pass,
    optimizers: list[torch.optim.Optimizer],
    order: torch.Generator,
    epoch: int,
    device: str,
) -> dict[str, float]:
    """All batches once, in random order; returns the mean over batches of each loss."""
    settings, parameters = model.training_settings, list(model.parameters())
    model.train()
    model.begin_pass(single, epoch)
    sums: dict[str, Tensor] = {}
    batches = data.shuffled(settings.batch_size, order)
    for number, rows in enumerate(batches, start=1):
        batch = data.batch(rows).to(device)
        if number % settings.accumulate == 1 or settings.accumulate == 1:
            model.zero_grad(set_to_none=True)
        losses = model.loss(batch, single.stage)
        losses["total"].backward()
        if settings.clip_value > 0:
            torch.nn.utils.clip_grad_value_(parameters, settings.clip_value)
        model.after_backward(batch, epoch)
        complete = number % settings.accumulate == 0
        if complete or (number == len(batches) and not settings.drop_partial_group):  # D29
            if settings.clip_norm > 0:
                torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizers[single.optimizer].step()
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + value.detach()
    return {name: float(total) / len(batches) for name, total in sums.items()}
