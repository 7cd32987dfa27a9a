"""The input of a model: the views of each modality, and a batch of clips."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from avmc_core import schema
from avmc_core.errors import InputError

VIEWS = ("cls", "mean", "padded_mean", "states", "frames", "padded")


@dataclass(frozen=True)
class Inputs:
    """The view of each modality that a model reads.

    ``cls``: first step (B, D). ``states`` or ``frames``: (B, T, D), zero-padded to the longest of
    the batch. ``padded``: (B, T, D) with T the released cap. ``mean``: (B, D) over the valid steps.
    ``padded_mean``: (B, D), the sum divided by the cap, as the reference's baselines average (D20).
    """

    text: str = "cls"
    audio: str = "frames"
    vision: str = "frames"

    def __post_init__(self):
        for field in fields(self):
            view = getattr(self, field.name)
            if view not in VIEWS:
                raise InputError(f"Inputs.{field.name}", repr(view), f"one of {', '.join(VIEWS)}")


@dataclass(frozen=True)
class Batch:
    """B clips as tensors. Labels are NaN and the mask False where a clip has no annotation."""

    text: Tensor  # (B, D) or (B, T, D), as the model's Inputs say; audio and vision alike
    audio: Tensor
    vision: Tensor
    text_lengths: Tensor  # (B,) int64, [CLS] and [SEP] counted
    audio_lengths: Tensor
    vision_lengths: Tensor
    labels: Tensor  # (B, 4) float32, in the order of schema.TASKS
    mask: Tensor  # (B,) bool, True where labelled
    index: Tensor  # (B,) int64, rows of the split
    tokens: Tensor  # (B, 3, 50) int64: ids, attention mask, segments

    @classmethod
    def of(cls, text: Tensor, audio: Tensor, vision: Tensor, labels: Tensor) -> Batch:
        """A batch from features alone, every clip as long as its array: text (B, D) or (B, T, D),
        audio and vision (B, T, D), labels (B, 4) in the order of ``schema.TASKS``, NaN where there
        is none. It has no token ids. Raises InputError where the numbers of clips differ."""
        clips = len(labels)
        for name, x in {"text": text, "audio": audio, "vision": vision}.items():
            if len(x) != clips:
                raise InputError(
                    f"Batch.{name}", f"{len(x)} clips", f"{clips}, one for each row of labels"
                )
        full = {
            f"{name}_lengths": torch.full((clips,), x.shape[1] if x.dim() == 3 else 1)
            for name, x in {"text": text, "audio": audio, "vision": vision}.items()
        }
        mask = ~labels.isnan().any(1)
        tokens = torch.zeros(clips, 3, schema.STEPS["text"], dtype=torch.int64)
        return cls(
            text,
            audio,
            vision,
            **full,
            labels=labels,
            mask=mask,
            index=torch.arange(clips),
            tokens=tokens,
        )

    def __len__(self) -> int:
        return len(self.mask)

    def label(self, task: str) -> Tensor:
        """(B,) annotation of one task."""
        return self.labels[..., schema.TASKS.index(task)]

    def to(self, device: torch.device | str) -> Batch:
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self)}
        for name in (name for name in moved if name.endswith("_lengths")):
            moved[name] = with_host(moved[name], on_host(getattr(self, name)))
        return replace(self, **moved)


def with_host(lengths: Tensor, host: Tensor) -> Tensor:
    """Lengths on a device, which remember the same numbers on the host. Without it, the host would
    have to wait for the device whenever it needs such a number (of frames, for instance)."""
    if lengths is not host:
        lengths.on_host = host
    return lengths


def all_as_long(lengths: Tensor, steps: int) -> Tensor:
    """``steps`` in place of each length, also on the host where lengths are remembered there."""
    host, long = on_host(lengths), torch.full_like(lengths, steps)
    return long if host is lengths else with_host(long, torch.full_like(host, steps))


def on_host(lengths: Tensor) -> Tensor:
    """The same numbers on the host, without a wait for the device where they are remembered."""
    known = getattr(lengths, "on_host", None)
    return lengths.cpu() if known is None else known
