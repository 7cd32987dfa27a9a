"""Generated weights for TalkNet: drawn from each tensor's name, so that another program can draw
the same."""

from __future__ import annotations

from zlib import crc32

import numpy as np
import torch

from avmc_core.clips.talknet_network import TalkNet


def made_state() -> dict[str, torch.Tensor]:
    """A checkpoint's tensors by name: random, and scaled so that signals neither grow nor
    vanish."""
    return {
        name: made_tensor(name, tuple(tensor.shape))
        for name, tensor in TalkNet().state_dict().items()
    }


def made_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    drawn = np.random.default_rng(crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    if len(shape) > 1 and not name.endswith(("gamma", "beta")):
        drawn = drawn / np.sqrt(np.prod(shape[1:]))
    elif name.endswith(("running_var", "gamma", "weight")):
        drawn = 1 + 0.1 * np.abs(drawn)
    else:
        drawn = 0.1 * drawn
    return torch.from_numpy(drawn.astype(np.float32))


def made_clip(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces (T, 112, 112) uint8 and MFCCs (4 T, 13) float32 without any meaning."""
    rng = np.random.default_rng(7)
    coarse = np.kron(rng.integers(0, 256, (frames, 14, 14)), np.ones((1, 8, 8)))
    faces = np.clip(coarse + rng.integers(-20, 21, (frames, 112, 112)), 0, 255).astype(np.uint8)
    return faces, (3 * rng.standard_normal((4 * frames, 13))).astype(np.float32)
