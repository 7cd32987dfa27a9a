"""The network of Light-ASD (Liao et al., CVPR 2023), in our own code: it judges for each frame
whether a face produces the sound.

Sound and picture each pass three blocks of factorised convolutions, which look along the band or
the picture first and along time second; their sum passes a recurrent layer forward and one backward
in time. Parameters have the names and shapes of the published weights, which is why names here are
theirs. The heads that serve training alone are left out.

Axes: T frames at 25 per second, 4 T steps of sound. One face at a time: no batch.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# frames on either side that the features of a frame depend on: two in each of three blocks
CONTEXT = 6
_MEAN, _SD = 0.4161, 0.1688  # of grey levels from 0 to 1
_CHANNELS = ((1, 32), (32, 64), (64, 128))  # in and out, of each block


class LightASD(nn.Module):
    """Faces and sound in, a score for each frame out: a logit, above 0 where the face speaks."""

    context = CONTEXT

    def __init__(self):
        super().__init__()
        self.model = nn.Module()
        self.model.visualEncoder, self.model.audioEncoder = _VisualEncoder(), _AudioEncoder()
        self.model.GRU = _Recurrent(128)
        self.lossAV = nn.Module()
        self.lossAV.FC = nn.Linear(128, 2)

    def look(self, faces: Tensor) -> Tensor:
        """(T, 128) features of faces (T, 112, 112) with grey levels from 0 to 255."""
        return self.model.visualEncoder((faces.float() / 255 - _MEAN) / _SD)

    def hear(self, sound: Tensor) -> Tensor:
        """(T, 128) features of MFCCs (4 T, 13)."""
        return self.model.audioEncoder(sound)

    def forward(self, looks: Tensor, sound: Tensor) -> Tensor:
        """(T,) scores from what ``look`` returned, (T, 128), and MFCCs (4 T, 13)."""
        return self.lossAV.FC(self.model.GRU(looks + self.hear(sound)))[:, 1]


class _VisualEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        for number, (size_in, size) in enumerate(_CHANNELS, 1):
            self.add_module(
                f"block{number}", _VisualBlock(size_in, size, stride=2 if number == 1 else 1)
            )

    def forward(self, faces: Tensor) -> Tensor:
        """(T, 128) from (T, 112, 112)."""
        x = self.block1(faces[:, None])  # (T, 32, 56, 56)
        for block in (self.block2, self.block3):
            x = block(F.max_pool2d(x, 3, stride=2, padding=1))
        return x.amax(dim=(2, 3))


class _AudioEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        for number, (size_in, size) in enumerate(_CHANNELS, 1):
            self.add_module(f"block{number}", _AudioBlock(size_in, size))

    def forward(self, sound: Tensor) -> Tensor:
        """(T, 128) from (4 T, 13)."""
        x = self.block1(sound.T[None, None])  # (1, 32, 13, 4 T)
        for block in (self.block2, self.block3):
            x = block(F.max_pool2d(x, (1, 3), stride=(1, 2), padding=(0, 1)))
        return x.mean(dim=2)[0].T


class _Factorised(nn.Module):
    """Two branches, of three and of five taps, each across the picture or the band first and then
    along time; their sum is mixed. Batch norm, which evaluation folds into the weights, and ReLU
    follow every convolution."""

    def _add(self, name: str, conv: nn.Module, norm: nn.Module) -> None:
        self.add_module(name, conv)
        self.add_module(f"bn_{name}", norm)

    def _folded(self, name: str) -> tuple[Tensor, Tensor]:
        """A convolution's weights and bias with its batch norm in them."""
        weight, norm = self.get_submodule(name).weight, self.get_submodule(f"bn_{name}")
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        return weight * scale.view(
            -1, *[1] * (weight.dim() - 1)
        ), norm.bias - norm.running_mean * scale


class _VisualBlock(_Factorised):
    def __init__(self, size_in: int, size: int, stride: int):
        super().__init__()
        self.stride = stride
        conv, norm = partial(nn.Conv3d, bias=False), partial(nn.BatchNorm3d, eps=1e-3)
        for taps in (3, 5):
            self._add(f"s_{taps}", conv(size_in, size, (1, taps, taps)), norm(size))
            self._add(f"t_{taps}", conv(size, size, (taps, 1, 1)), norm(size))
        self._add("last", conv(size, size, 1), norm(size))

    def forward(self, x: Tensor) -> Tensor:
        """(T, D, H, W) from (T, C, H, W). Convolutions in two dimensions, which are twice as fast
        as those in three."""
        branches = []
        for taps in (3, 5):
            weight, bias = self._folded(f"s_{taps}")
            # (T, D, H, W)
            across = F.relu(F.conv2d(x, weight[:, :, 0], bias, self.stride, padding=taps // 2))
            steps, size, height, width = across.shape
            lines = across.transpose(0, 1).reshape(1, size, steps, height * width)
            weight, bias = self._folded(f"t_{taps}")
            branches.append(F.relu(F.conv2d(lines, weight[..., 0], bias, padding=(taps // 2, 0))))
        weight, bias = self._folded("last")
        mixed = F.relu(F.conv2d(sum(branches), weight[..., 0], bias))
        return mixed.view(size, steps, height, width).transpose(0, 1).contiguous()


class _AudioBlock(_Factorised):
    def __init__(self, size_in: int, size: int):
        super().__init__()
        conv, norm = partial(nn.Conv2d, bias=False), partial(nn.BatchNorm2d, eps=1e-3)
        for taps in (3, 5):
            self._add(f"m_{taps}", conv(size_in, size, (taps, 1)), norm(size))
            self._add(f"t_{taps}", conv(size, size, (1, taps)), norm(size))
        self._add("last", conv(size, size, 1), norm(size))

    def forward(self, x: Tensor) -> Tensor:
        """(1, D, 13, 4 T) from (1, C, 13, 4 T)."""
        branches = []
        for taps in (3, 5):
            across = F.relu(F.conv2d(x, *self._folded(f"m_{taps}"), padding=(taps // 2, 0)))
            branches.append(
                F.relu(F.conv2d(across, *self._folded(f"t_{taps}"), padding=(0, taps // 2)))
            )
        return F.relu(F.conv2d(sum(branches), *self._folded("last")))


class _Recurrent(nn.Module):
    """A gated recurrent unit forward in time and one backward over what it says."""

    def __init__(self, size: int):
        super().__init__()
        self.gru_forward, self.gru_backward = nn.GRU(size, size), nn.GRU(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(T, D) from (T, D)."""
        ahead = F.gelu(self.gru_forward(x)[0])
        return F.gelu(self.gru_backward(ahead.flip(0))[0].flip(0))
