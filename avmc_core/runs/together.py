"""Seeds side by side: runs that differ in their seed alone, trained as one network whose weights
have an axis of seeds.

A small network's step is all overhead, which the seeds then share. Each seed has its own order of
clips, its own random numbers (``draws``), its own early stopping and its own state on disk, which
is that of a run alone (``training``). What a seed computes in a group equals what it computes
alone, byte for byte, on a CPU with the compiled layers. Seeds whose training was killed therefore
continue from their states: in the same group, in another, or each alone.

On a GPU the products of all seeds are one, whose last digits may depend on how many there are. The
same group gives the same bytes again, also after a kill, unless that came while states were
written, which are then states of two epochs. A seed in another group draws the same numbers, and
differs in last digits and what these grow into. Even a single seed is trained so there, so that
its random numbers are those of a seed in company.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from avmc_core.batch import Batch, on_host, with_host
from avmc_core.data.batches import SplitData
from avmc_core.draws import streams
from avmc_core.models.base import Model, Pass, Training
from avmc_core.runs import training, training_state
from avmc_core.runs.joint import Joint
from avmc_core.runs.recorded_step import Drawn, Losses
from avmc_core.runs.training import MARGIN, RARELY, Data, TrainingFailed
from avmc_core.runs.training_state import Progress
from avmc_core.runs.weight_sets import HostCopy, weights_of


@dataclass
class Seed:
    """One of the runs: as ``training.train`` would have it at the end of an epoch. ``model`` and
    its optimisers are brought up to date where they are needed."""

    seed: int
    folder: Path
    model: Model
    optimizers: list[torch.optim.Optimizer]
    progress: Progress
    generator: torch.Generator
    best: dict[str, Tensor] = field(default_factory=dict)
    failure: TrainingFailed | None = None

    @classmethod
    def of(cls, build: Callable[[], Model], seed: int, folder: Path) -> Seed:
        """A fresh state, or the one that an interrupted process left in the folder."""
        torch.manual_seed(seed)
        model = build()
        optimizers = model.optimizers()
        progress = training_state.restore(folder, model, optimizers)
        generator = torch.Generator()
        generator.set_state(torch.get_rng_state())
        return cls(seed, folder, model, optimizers, progress, generator)

    @property
    def settings(self) -> Training:
        return self.model.training_settings

    def fail(self, message: str) -> None:
        self.failure = TrainingFailed(message, self.progress.seconds)

    def trained(self) -> Model:
        """The best weights, in evaluation mode. Raises TrainingFailed if the training did."""
        if self.failure is not None:
            raise self.failure
        self.model.load_state_dict(
            self.best or training_state.best_weights(self.folder, self.progress)
        )
        return self.model.eval()


def train_together(
    build: Callable[[], Model],
    data: Data,
    seeds: Sequence[int],
    folders: Sequence[Path],
    device: str = "cpu",
) -> Iterator[tuple[int, Seed]]:
    """Train ``build()`` with each seed as ``training.train`` does; yields, as the training of each
    seed ends, its place in ``seeds`` and its ``Seed``.

    Only for what is ``stackable`` on the device. There is one folder per seed, which must exist;
    training continues from any state in it. The models of the seeds stay on the host. The seconds
    of a seed are its share of the time of all seeds that were trained together.
    """
    everyone = [Seed.of(build, seed, folder) for seed, folder in zip(seeds, folders, strict=True)]
    # a kill while states are saved can leave seeds at two different epochs
    for epoch in sorted({seed.progress.epoch for seed in everyone}):
        group = [seed for seed in everyone if seed.progress.epoch == epoch]
        for seed in _train(group, data, device):
            yield everyone.index(seed), seed


def _train(group: list[Seed], data: Data, device: str) -> Iterator[Seed]:
    """Seeds that have seen equally many epochs."""
    settings, epoch = group[0].settings, group[0].progress.epoch
    yield from (seed for seed in group if seed.progress.finished(settings))
    group = [seed for seed in group if not seed.progress.finished(settings)]
    if not group:
        return
    joint = Joint.of([(seed.model, seed.optimizers) for seed in group], device)
    model = joint.model
    valid = data("valid", model.inputs)
    due, clock = 0.0, time.perf_counter()

    def share() -> None:
        nonlocal clock
        now = time.perf_counter()
        for seed in group:
            seed.progress.seconds += (now - clock) / len(group)
        clock = now

    while group:
        epoch += 1
        rows: list[dict[str, float]] = [{} for _ in group]
        for number, single in enumerate(model.passes(epoch)):
            own = data(single.split, model.inputs)
            means = _one_pass(joint, own, single, group, epoch, number)
            share()
            for seed, row, losses in zip(group, rows, means, strict=True):
                row |= {f"{single.stage}.{name}": value for name, value in losses.items()}
                if not math.isfinite(losses["total"]) and seed.failure is None:
                    seed.fail(
                        f"epoch {epoch}, pass {single.stage!r}: the training loss is "
                        f"{losses['total']}"
                    )
        losses = validation_losses(model, valid, settings, len(group))
        share()
        for place, (seed, row, loss) in enumerate(zip(group, rows, losses, strict=True)):
            if not math.isfinite(loss) and seed.failure is None:
                seed.fail(f"epoch {epoch}: the validation loss is {loss}")
            if seed.failure is not None:
                continue
            progress = seed.progress
            progress.epoch = epoch
            progress.history.append({**row, "validation": loss})
            if loss <= progress.best_loss - MARGIN:
                progress.best_loss, progress.best_epoch = loss, epoch
                seed.best = weights_of(model, place)
        ended = [
            seed for seed in group if seed.failure is not None or seed.progress.finished(settings)
        ]
        # On a GPU a group that is resumed lacks the seeds that have ended. The others must not
        # repeat there, in a smaller group, epochs that they made in this one.
        if (saving := time.monotonic()) >= due or (ended and joint.keys is not None):
            state = HostCopy.of(model, joint.optimizers)
            for place, seed in enumerate(group):
                if seed.failure is None:
                    state.unstack(place, seed.model, seed.optimizers)
                    _save(seed)
            due = time.monotonic() + RARELY * (time.monotonic() - saving)
        if ended:
            left = [place for place, seed in enumerate(group) if seed not in ended]
            group = [group[place] for place in left]
            if group:
                joint.keep(left)
            yield from ended
            # use of a trained network must not count as training of the others
            clock = time.perf_counter()


def validation_losses(model: Model, data: SplitData, settings: Training, seeds: int) -> list[float]:
    """The ``training.validation_loss`` of each seed."""
    model.eval()
    device, size = next(model.parameters()).device, training.validation_size(settings)
    with torch.no_grad():
        batches = (repeated(batch.to(device), seeds) for batch in data.in_order(size))
        losses = [model.validation_loss(model(batch), batch).double() for batch in batches]
    if settings.validation == "batches":
        means = torch.stack([loss.mean(-1) for loss in losses], -1).mean(-1)
        return [round(value, 4) for value in means.tolist()]
    return torch.cat(losses, -1).mean(-1).tolist()


def repeated(batch: Batch, seeds: int) -> Batch:
    """The batch with the same clips for every seed."""
    return mapped(batch, lambda x: x.expand(seeds, *x.shape))


def _one_pass(
    joint: Joint, data: SplitData, single: Pass, group: Sequence[Seed], epoch: int, number: int
) -> list[dict[str, float]]:
    """All batches once, for each seed in its own random order; returns the mean over batches of
    each of a seed's losses."""
    model, optimizer = joint.model, joint.optimizers[single.optimizer]
    settings, parameters = model.training_settings, list(model.parameters())
    model.train()
    model.begin_pass(single, epoch)
    drawn = [
        torch.Generator().manual_seed(training.drawn_from(seed.seed, epoch, number))
        for seed in group
    ]
    orders = [data.shuffled(settings.batch_size, generator) for generator in drawn]

    def step(
        batch: Batch, draws: Drawn | None = None, begins: bool = True, ends: bool = True
    ) -> Losses:
        """Makes a step of one batch. Where the gradients of several batches are summed, ``begins``
        marks the first of them and ``ends`` the last, after which the weights are changed."""
        if joint.keys is not None:
            joint.keys.next_step()
        if begins:
            model.zero_grad(set_to_none=True)
        losses = model.loss(batch, single.stage, *filter(None, [draws]))
        losses["total"].sum().backward()
        if settings.clip_value > 0:
            torch.nn.utils.clip_grad_value_(parameters, settings.clip_value)
        model.after_backward(batch, epoch)
        if ends:
            optimizer.step()
        return {name: value.detach() for name, value in losses.items()}

    recorded, sums = joint.recorded_step(number, optimizer), {}
    with streams([seed.generator for seed in group], joint.keys):
        for count, rows in enumerate(map(torch.stack, zip(*orders, strict=True)), start=1):
            shape = rows.shape
            batch = mapped(
                data.batch(rows.flatten()).to(joint.device),
                lambda x, shape=shape: x.view(*shape, *x.shape[1:]),
            )
            if recorded is not None:
                losses = recorded(step, batch, model.draws(rows.shape[-1], joint.device))
            else:
                begins = count % settings.accumulate == 1 or settings.accumulate == 1
                last = count == len(orders[0]) and not settings.drop_partial_group  # D29
                losses = step(batch, None, begins, last or count % settings.accumulate == 0)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
    means = {
        name: [value / len(orders[0]) for value in total.tolist()] for name, total in sums.items()
    }
    return [{name: values[place] for name, values in means.items()} for place in range(len(group))]


def mapped(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with a change made to each of its tensors, and to the lengths that it remembers on
    the host."""
    changed = {f.name: change(getattr(batch, f.name)) for f in dataclasses.fields(batch)}
    for name in (name for name in changed if name.endswith("_lengths")):
        with_host(changed[name], change(on_host(getattr(batch, name))))
    return Batch(**changed)


def _save(seed: Seed) -> None:
    """The state of a run alone, whose random numbers are PyTorch's global ones."""
    torch.set_rng_state(seed.generator.get_state())
    training_state.save(seed.folder, seed.model, seed.optimizers, seed.progress, seed.best)
