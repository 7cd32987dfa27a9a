"""The network of TalkNet (Tao et al. 2021), in our own code: it judges for each frame whether a
face produces the sound.

Its parameters have the names and shapes of the published checkpoints, which is why names here are
theirs; two heads and some convolutions in a checkpoint serve training alone or nothing. The public
code is under the MIT licence; its weights were trained on AVA-ActiveSpeaker or on VoxCeleb2 and
LRS3, whose terms are their own. With them the network was never run here.

Axes: T frames at 25 per second, 4 T steps of sound. One face at a time: no batch.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONTEXT = 2  # frames on either side that the features of a frame depend on
_MEAN, _SD = 0.4161, 0.1688  # of grey levels from 0 to 1

_conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)
_norm = partial(nn.BatchNorm2d, eps=1e-3)


class TalkNet(nn.Module):
    """Faces and sound in, a score for each frame out: a logit, at 0 or above where the face
    speaks."""

    context = CONTEXT

    def __init__(self):
        super().__init__()
        self.model = _AudioVisual()
        self.lossAV = _Head(256)
        self.lossA, self.lossV = _Head(128), _Head(128)  # of training: one modality alone

    def look(self, faces: Tensor) -> Tensor:
        """(T, 512) features of faces (T, 112, 112) with grey levels from 0 to 255."""
        return self.model.visualFrontend((faces.float() / 255 - _MEAN) / _SD)

    def forward(self, looks: Tensor, sound: Tensor) -> Tensor:
        """(T,) scores from what ``look`` returned, (T, 512), and MFCCs (4 T, 13)."""
        return self.lossAV.FC(self.model(looks, sound))[:, 1]


class _Head(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.FC = nn.Linear(size, 2)


class _AudioVisual(nn.Module):
    """Two encoders, each attended to by the other, then self-attention over both."""

    def __init__(self):
        super().__init__()
        self.visualFrontend = _VisualFrontend()
        self.visualTCN = _Stack(*(_Separable(512) for _ in range(5)))
        self.visualConv1D = _Stack(
            nn.Conv1d(512, 256, 5, padding=2),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Conv1d(256, 128, 1),
        )
        self.audioEncoder = _AudioEncoder()
        self.crossA2V, self.crossV2A = _Attention(128), _Attention(128)
        self.selfAV = _Attention(256)

    def forward(self, looks: Tensor, sound: Tensor) -> Tensor:
        """(T, 256) from (T, 512) and (4 T, 13)."""
        seen = self.visualConv1D(self.visualTCN(looks.T[None]))[0].T  # (T, 128)
        heard = self.audioEncoder(sound)  # (T, 128)
        both = torch.cat([self.crossA2V(heard, seen), self.crossV2A(seen, heard)], dim=1)
        return self.selfAV(both, both)


class _Stack(nn.Module):
    """Layers under the checkpoint's name ``net``."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class _VisualFrontend(nn.Module):
    """A convolution over time and place, then a residual network on each frame."""

    def __init__(self):
        super().__init__()
        self.frontend3D = nn.Sequential(
            nn.Conv3d(1, 64, (5, 7, 7), stride=(1, 2, 2), padding=(CONTEXT, 3, 3), bias=False),
            nn.BatchNorm3d(64, eps=1e-3),
            nn.ReLU(),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
        )
        self.resnet = nn.Module()
        for number, (size_in, size, stride) in enumerate(
            [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)], 1
        ):
            self.resnet.add_module(f"layer{number}", _Residual(size_in, size, stride))

    def forward(self, faces: Tensor) -> Tensor:
        """(T, 512) from (T, 112, 112)."""
        x = self.frontend3D(faces[None, None])[0].transpose(0, 1)  # (T, 64, 28, 28)
        for layer in self.resnet.children():
            x = layer(x)
        return F.avg_pool2d(x, 4).flatten(1)


class _Residual(nn.Module):
    """Two residual blocks. The input that is added is taken before batch norm; at stride 1
    ``downsample`` is not used."""

    def __init__(self, size_in: int, size: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv1a, self.conv2a = _conv(size_in, size, stride=stride), _conv(size, size)
        self.conv1b, self.conv2b = _conv(size, size), _conv(size, size)
        self.downsample = nn.Conv2d(size_in, size, 1, stride=stride, bias=False)
        self.bn1a, self.outbna, self.bn1b, self.outbnb = (_norm(size) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2a(F.relu(self.bn1a(self.conv1a(x))))
        between = inner + (x if self.stride == 1 else self.downsample(x))
        inner = self.conv2b(F.relu(self.bn1b(self.conv1b(F.relu(self.outbna(between))))))
        return F.relu(self.outbnb(inner + between))


class _Separable(nn.Module):
    """A residual convolution over three frames, depth by depth, then a mixture of the depths."""

    def __init__(self, size: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.ReLU(),
            nn.BatchNorm1d(size),
            nn.Conv1d(size, size, 3, padding=1, groups=size, bias=False),
            nn.PReLU(),
            _GlobalNorm(size),
            nn.Conv1d(size, size, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.net(x)


class _GlobalNorm(nn.Module):
    """Standardises (1, D, T) over depths and frames together."""

    def __init__(self, size: int):
        super().__init__()
        self.gamma, self.beta = (
            nn.Parameter(torch.ones(1, size, 1)),
            nn.Parameter(torch.zeros(1, size, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=(1, 2), correction=0, keepdim=True)
        return self.gamma * (x - mean) / torch.sqrt(variance + 1e-8) + self.beta


class _AudioEncoder(nn.Module):
    """A residual network with squeeze-and-excitation over the picture that the MFCCs make."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 7, stride=(2, 1), padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        size = 16
        for number, (blocks, wider, stride) in enumerate(
            [(3, 16, 1), (4, 32, 2), (6, 64, 2), (3, 128, 1)], 1
        ):
            first = _Squeezed(size, wider, stride)
            rest = (_Squeezed(wider, wider) for _ in range(blocks - 1))
            self.add_module(f"layer{number}", nn.Sequential(first, *rest))
            size = wider

    def forward(self, sound: Tensor) -> Tensor:
        """(T, 128) from (4 T, 13)."""
        x = F.relu(self.bn1(self.conv1(sound.T[None, None])))  # (1, 16, 7, 4 T)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x.mean(dim=2)[0].T


class _Squeezed(nn.Module):
    """A residual block whose channels are weighed by what is in them on average; batch norm comes
    after ReLU."""

    def __init__(self, size_in: int, size: int, stride: int = 1):
        super().__init__()
        self.conv1, self.conv2 = _conv(size_in, size, stride=stride), _conv(size, size)
        self.bn1, self.bn2 = nn.BatchNorm2d(size), nn.BatchNorm2d(size)
        self.se = nn.Module()
        self.se.fc = nn.Sequential(
            nn.Linear(size, size // 8), nn.ReLU(), nn.Linear(size // 8, size), nn.Sigmoid()
        )
        self.downsample = None
        if stride != 1 or size_in != size:
            narrow = nn.Conv2d(size_in, size, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(narrow, nn.BatchNorm2d(size))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.bn1(F.relu(self.conv1(x)))))
        inner = inner * self.se.fc(inner.mean(dim=(2, 3)))[:, :, None, None]
        return F.relu(inner + (x if self.downsample is None else self.downsample(x)))


class _Attention(nn.Module):
    """What ``asking`` finds in ``asked`` is added to ``asked``, frame by frame; then two linear
    layers."""

    def __init__(self, size: int):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(size, 8)
        self.linear1, self.linear2 = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)

    def forward(self, asked: Tensor, asking: Tensor) -> Tensor:
        """(T, D) from two of that shape."""
        attended = self.self_attn(asking, asked, asked, need_weights=False)[0]
        x = self.norm1(asked + attended)
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))
