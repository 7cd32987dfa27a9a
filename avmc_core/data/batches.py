"""Batches: whole arrays gathered from a split, no Python work per clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from avmc_core import schema
from avmc_core.batch import Batch, Inputs, with_host
from avmc_core.data.store import Ragged, Split

# The views with one vector per clip, which are computed once for a split.
DENSE: dict[str, Callable[[Ragged], np.ndarray]] = {
    "cls": lambda ragged: ragged.first(),
    "mean": lambda ragged: ragged.mean(),
    "padded_mean": lambda ragged: (
        ragged.mean() * (ragged.lengths / ragged.steps).astype(np.float32)[:, None]
    ),
}

DEFAULT = Inputs()


class SplitData:
    """One split in the views that a model reads; dense views are computed once."""

    def __init__(self, split: Split, inputs: Inputs = DEFAULT):
        self.split, self.inputs = split, inputs
        self._ragged = {name: getattr(split, name) for name in schema.MODALITIES}
        self._dense = {}
        for name, ragged in self._ragged.items():
            view = DENSE.get(getattr(inputs, name))
            if view is not None:
                self._dense[name] = torch.from_numpy(view(ragged))
        self._lengths = {
            f"{name}_lengths": torch.from_numpy(r.lengths) for name, r in self._ragged.items()
        }
        self._labels = torch.from_numpy(np.ascontiguousarray(split.labels))
        self._mask = torch.from_numpy(np.ascontiguousarray(split.mask))

    def __len__(self) -> int:
        return len(self._mask)

    def batch(self, rows: Tensor) -> Batch:
        """The clips at the indices ``rows`` (B,) int64 as a batch, in that order."""
        return Batch(
            **{name: self._view(name, rows) for name in schema.MODALITIES},
            **{name: lengths[rows] for name, lengths in self._lengths.items()},
            labels=self._labels[rows],
            mask=self._mask[rows],
            index=rows,
            tokens=self._tokens(rows),
        )

    def _tokens(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self.split.tokens[rows.numpy()])

    def _view(self, name: str, rows: Tensor) -> Tensor:
        if name in self._dense:
            return self._dense[name][rows]
        ragged = self._ragged[name]
        steps = ragged.steps if getattr(self.inputs, name) == "padded" else None
        return torch.from_numpy(ragged.padded(rows.numpy(), steps))

    def order(self, generator: torch.Generator) -> Tensor:
        """All rows in random order, (N,) int64."""
        return torch.randperm(len(self), generator=generator)

    def shuffled(self, batch_size: int, generator: torch.Generator) -> list[Tensor]:
        """Yields the rows of each batch of one pass over all clips in random order. The last,
        smaller batch is kept; a single remaining clip, on which batch norm could not compute a
        variance, joins the batch before."""
        batches = list(self.order(generator).split(batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def in_order(self, batch_size: int = 128) -> Iterator[Batch]:
        """One pass over all clips in the order of the store."""
        for rows in torch.arange(len(self)).split(batch_size):
            yield self.batch(rows)

    @property
    def nbytes(self) -> int:
        """Roughly how much memory a ``Resident`` takes, in bytes."""
        features = [
            self._dense[name].nbytes
            if name in self._dense
            else int(ragged.lengths.sum()) * ragged[0].shape[1] * 4
            for name, ragged in self._ragged.items()
        ]
        return sum(features) + self.split.tokens.nbytes


class Resident(SplitData):
    """The same split with all its clips on a device, moved there once: equal batches, gathered
    there."""

    def __init__(self, data: SplitData, device: torch.device | str):
        self.split, self.inputs, self.device = data.split, data.inputs, device
        self._steps = {name: ragged.steps for name, ragged in data._ragged.items()}
        self._dense = {name: x.to(device) for name, x in data._dense.items()}
        self._on_host = data._lengths
        self._lengths = {name: lengths.to(device) for name, lengths in data._lengths.items()}
        # of each clip among the frames
        self._first = {name: own.cumsum(0) - own for name, own in self._lengths.items()}
        self._labels, self._mask = data._labels.to(device), data._mask.to(device)
        self._ids = torch.tensor(data.split.tokens, device=device)
        self._frames = {}  # (F + 1, D): the frames of one clip after the other, and one of zeros
        for name, ragged in data._ragged.items():
            if name not in self._dense:
                clips = [ragged[row] for row in range(len(ragged))]
                frames = np.concatenate([*clips, np.zeros_like(clips[0][:1])])
                self._frames[name] = torch.from_numpy(frames).to(device)

    def batch(self, rows: Tensor) -> Batch:
        """The clips at ``rows`` (B,) int64 of the host, gathered without a wait for the device."""
        self._longest = {name: int(own[rows].max()) for name, own in self._on_host.items()}
        batch = super().batch(rows.to(self.device, non_blocking=True))
        for name, own in self._on_host.items():
            with_host(getattr(batch, name), own[rows])
        return batch

    def _tokens(self, rows: Tensor) -> Tensor:
        return self._ids[rows]

    def _view(self, name: str, rows: Tensor) -> Tensor:
        if name in self._dense:
            return self._dense[name][rows]
        lengths, frames = self._lengths[f"{name}_lengths"], self._frames[name]
        own, starts = lengths[rows, None], self._first[f"{name}_lengths"][rows, None]
        longest = self._longest[f"{name}_lengths"]
        steps = self._steps[name] if getattr(self.inputs, name) == "padded" else longest
        step = torch.arange(steps, device=self.device)
        return frames[torch.where(step < own, starts + step, len(frames) - 1)]
