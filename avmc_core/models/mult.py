"""MulT: transformers in which each modality's steps attend to the other two's, without any
alignment (Tsai et al., ACL 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, relu

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.attention import attend
from avmc_core.kernels.dropout import Dropout, dropout
from avmc_core.kernels.frames import WideLinear, linear_of_frames
from avmc_core.kernels.lstm import last_valid
from avmc_core.models import fixes
from avmc_core.models.base import Model, Sizes, Training, adam, group

MENDABLE = ("D25",)


@dataclass(frozen=True)
class MulTSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, mult). Its weight
    decay is configured but ignored (D27), and its learning rate schedule cannot fire before early
    stopping (D34): neither has a field. The dropped last group of batches (D29) is
    ``training.drop_partial_group``."""

    width: int = 30  # dst_feature_dim_nheads
    heads: int = 6
    layers: int = 4
    text_kernel: int = 5
    audio_kernel: int = 3
    vision_kernel: int = 1
    causal: bool = True  # attn_mask
    text_dropout: float = 0.5
    text_attention_dropout: float = 0.1  # where keys are text, and in the memory encoders
    audio_attention_dropout: float = 0.2
    vision_attention_dropout: float = 0.0
    embed_dropout: float = 0.2
    relu_dropout: float = 0.1
    residual_dropout: float = 0.0
    output_dropout: float = 0.3
    lr: float = 5e-4  # Adam
    mended: tuple[str, ...] = ()
    training: Training = Training(
        batch_size=16, accumulate=8, drop_partial_group=True, clip_value=1.0
    )

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = MulTSettings()


class Attention(nn.Module):
    """Multi-head attention: queries (B, L, w), keys and values (B, S, w) to (B, L, w). ``project``
    stacks the maps of queries, keys and values; query i sees the first ``seen[:, i]`` keys, seen (B
    or 1, L)."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.project = nn.Linear(width, 3 * width)
        self.out = WideLinear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        maps = zip(
            (queries, keys, values),
            self.project.weight.chunk(3),
            self.project.bias.chunk(3),
            strict=True,
        )
        q, k, v = (linear_of_frames(*parts) for parts in maps)
        return self.out(attend(q, k, v, seen, self.heads, self.dropout if self.training else 0.0))


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each with the layer norm before it (``norm_1`` on keys and values
    too) and a residual."""

    def __init__(self, width: int, attention_dropout: float, s: MulTSettings):
        super().__init__()
        self.attention = Attention(width, s.heads, attention_dropout)
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.linear_1, self.linear_2 = WideLinear(width, 4 * width), WideLinear(4 * width, width)
        self.relu_drop, self.drop = Dropout(s.relu_dropout), Dropout(s.residual_dropout)
        for layer in (self.attention.project, self.attention.out, self.linear_1, self.linear_2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        normed = (self.norm_1(part) for part in (x, keys, values))
        x = x + self.drop(self.attention(*normed, seen))
        return x + self.drop(self.linear_2(self.relu_drop(relu(self.linear_1(self.norm_2(x))))))


class Encoder(nn.Module):
    """A stack of layers and a last layer norm. No positional embedding: the reference has one,
    switched off."""

    def __init__(self, width: int, layers: int, attention_dropout: float, s: MulTSettings):
        super().__init__()
        self.scale = width**0.5
        self.drop = Dropout(s.embed_dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width, attention_dropout, s) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def cross(self, x: Tensor, other: Tensor, seen: Tensor) -> Tensor:
        """Queries x (B, L, w) on ``other`` (B, S, w), the same in every layer; keys and values get
        dropout masks of their own."""
        x, keys, values = (self.drop(self.scale * part) for part in (x, other, other))
        for layer in self.layers:
            x = layer(x, keys, values, seen)
        return self.norm(x)

    def own(self, x: Tensor, lengths: Tensor, seen: Tensor) -> Tensor:
        """x (B, L, w) on itself; only step ``lengths - 1`` of the result is wanted (B, w), so the
        last layer computes no other."""
        x = self.drop(self.scale * x)
        for layer in self.layers[:-1]:
            x = layer(x, x, x, seen)
        last = self.layers[-1](
            last_valid(x, lengths)[:, None], x, x, last_valid(seen, lengths)[:, None]
        )
        return self.norm(last)[:, 0]


class MulT(Model):
    """As run, padding is attended to like any other step, and the last step, usually padding, is
    read.

    Mendable: D25, keys after a clip's end are masked, the causal mask goes by the clip's own
    lengths, and its last valid step is read. A clip's prediction is then what the reference gives
    for that clip alone, without padding.
    """

    def __init__(self, settings: MulTSettings, sizes: Sizes):
        super().__init__()
        s = self.settings = settings
        view = "frames" if "D25" in s.mended else "padded"
        self.inputs = Inputs(text="padded", audio=view, vision=view)
        self.kernels = {m: getattr(s, f"{m}_kernel") for m in schema.MODALITIES}
        drops = {m: getattr(s, f"{m}_attention_dropout") for m in schema.MODALITIES}
        self.convolutions = nn.ModuleDict(
            {
                m: nn.Conv1d(getattr(sizes, m), s.width, k, bias=False)
                for m, k in self.kernels.items()
            }
        )
        self.cross = nn.ModuleDict(
            {
                f"{q}_on_{k}": Encoder(s.width, s.layers, drops[k], s)
                for q, k in permutations(schema.MODALITIES, 2)
            }
        )
        self.memory = nn.ModuleDict(
            {
                m: Encoder(2 * s.width, max(s.layers, 3), s.text_attention_dropout, s)
                for m in schema.MODALITIES
            }
        )
        fused = 6 * s.width
        self.residual_1, self.residual_2 = nn.Linear(fused, fused), nn.Linear(fused, fused)
        self.out = nn.Linear(fused, 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        s = self.settings
        inputs = {m: getattr(batch, m) for m in schema.MODALITIES}
        inputs["text"] = dropout(inputs["text"], s.text_dropout, self.training)
        # (B, T - kernel + 1, w)
        x = {m: convolved(inputs[m], conv) for m, conv in self.convolutions.items()}
        lengths = self.lengths(batch, x)
        output = {}
        for query in schema.MODALITIES:
            attended = [
                self.cross[f"{query}_on_{key}"].cross(
                    x[query], x[key], self.seen(x, lengths, query, key)
                )
                for key in schema.MODALITIES
                if key != query
            ]
            seen = self.seen(x, lengths, query, query)
            output[f"Feature_{query[0]}"] = self.memory[query].own(
                torch.cat(attended, -1), lengths[query], seen
            )
        fused = torch.cat([output[f"Feature_{m[0]}"] for m in schema.MODALITIES], -1)  # (B, 6w)
        hidden = dropout(relu(self.residual_1(fused)), s.output_dropout, self.training)
        prediction = self.out(fused + self.residual_2(hidden)).squeeze(-1)
        return {"M": prediction, "Feature_f": fused, **output}

    def lengths(self, batch: Batch, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """(B,) steps that count after the convolution, at least 1; (1,) as run, where all count for
        all clips."""
        if "D25" in self.settings.mended:
            own = {m: getattr(batch, f"{m}_lengths") for m in x}
            return {m: (own[m] - kernel + 1).clamp(min=1) for m, kernel in self.kernels.items()}
        return {m: torch.tensor([part.shape[1]], device=part.device) for m, part in x.items()}

    def seen(
        self, x: Mapping[str, Tensor], lengths: Mapping[str, Tensor], query: str, key: str
    ) -> Tensor:
        """(B or 1, L) how many keys each query sees: all that count or, if causal, at most 1 + i +
        |difference of the lengths| for query i. The last query that counts sees every key that
        counts."""
        count = lengths[key][:, None]
        if not self.settings.causal:
            return count.expand(-1, x[query].shape[1])
        i = torch.arange(x[query].shape[1], device=x[query].device)
        return torch.minimum(count, 1 + i + (lengths[key] - lengths[query]).abs()[:, None])

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, 0.0, self))]


def convolved(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """The convolution in time of x (B, T, D): (B, T - kernel + 1, w). On a GPU as one product for
    each of its few taps: cuDNN's deterministic choice there goes through Fourier transforms."""
    return by_taps(x, convolution.weight) if x.is_cuda else convolution(x.mT).mT


def by_taps(x: Tensor, weight: Tensor) -> Tensor:
    """``convolved`` with weights (w, D, kernel), as a sum of products."""
    steps = x.shape[1] - weight.shape[2] + 1
    products = [
        linear(x[:, tap : tap + steps], weight[:, :, tap]) for tap in range(weight.shape[2])
    ]
    return sum(products[1:], start=products[0])
