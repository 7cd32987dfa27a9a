"""What the six baselines on averaged audio and vision share: encoders, unimodal heads, multi-task
loss, optimiser groups.

LF_DNN, TFN and LMF differ in their fusion alone; MLF_DNN, MTFN and MLMF add a head for each
modality.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs, all_as_long
from avmc_core.kernels import gpu
from avmc_core.kernels.dense import Linear
from avmc_core.kernels.lstm import LSTM, fused
from avmc_core.models.base import Capabilities, Model, Sizes, group, l1
from avmc_core.models.layers import AveragedEncoder, Head

MENDABLE = ("D20", "D32")


class TextNet(nn.Module):
    """The final state of an LSTM and a linear map of it: (B, T, D) to (B, o). No activation; no
    dropout, although the reference configures one (D37). ``padding``: lengths reach to T, and most
    steps are zeros."""

    def __init__(self, size: int, hidden: int, out: int):
        super().__init__()
        self.rnn = LSTM(size, hidden)
        self.linear = Linear(hidden, out)

    def forward(self, x: Tensor, lengths: Tensor, padding: bool) -> Tensor:
        if padding and not gpu.on_gpu(x) and fused(x, self.rnn.hidden_size):
            states = self.rnn.states(self.rnn.gates_of_steps(x), lengths)[0]
            return self.linear(states.view(*x.shape[:-1], -1).select(-2, -1))
        return self.linear(self.rnn.final(x, lengths))


class AveragedModel(Model):
    """Encoders of text states and of averaged audio and vision, and a ``fusion`` of (audio, vision,
    text), each (B, h), to M (B,) and Feature_f (B, D) by name.

    Mendable: D20, audio and vision are averaged over their valid frames instead of the padded
    length; D32, the text LSTM's state is read after the last valid step instead of after all
    padding.
    """

    def __init__(self, settings: Any, sizes: Sizes, text_out: int, fusion: nn.Module):
        super().__init__()
        s = self.settings = settings
        self.text_padding = "D32" not in s.mended
        average = "mean" if "D20" in s.mended else "padded_mean"
        self.inputs = Inputs(
            text="padded" if self.text_padding else "states", audio=average, vision=average
        )
        self.text_encoder = TextNet(sizes.text, s.text_hidden, text_out)
        self.audio_encoder = AveragedEncoder(sizes.audio, s.audio_hidden, s.audio_dropout)
        self.vision_encoder = AveragedEncoder(sizes.vision, s.vision_hidden, s.vision_dropout)
        self.fusion = fusion
        self.heads = nn.ModuleDict()  # unimodal tasks, if any

    @property
    def stackable(self) -> bool:
        return True

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        lengths = batch.text_lengths
        if self.text_padding:
            lengths = all_as_long(lengths, batch.text.shape[-2])
        text = self.text_encoder(batch.text, lengths, self.text_padding)
        audio, vision = self.audio_encoder(batch.audio), self.vision_encoder(batch.vision)
        output = {"Feature_t": text, "Feature_a": audio, "Feature_v": vision}
        output |= self.fusion(audio, vision, text)
        for task, head in self.heads.items():
            output[task] = head(output[f"Feature_{task.lower()}"])[0]
        return output


class MultiTaskModel(AveragedModel):
    """With a head for T, A and V on each modality's representation."""

    @staticmethod
    def capabilities(settings: Any) -> Capabilities:
        """All four annotations are learnt from."""
        return Capabilities(tasks=schema.TASKS)

    def __init__(self, settings: Any, sizes: Sizes, text_out: int, fusion: nn.Module):
        super().__init__(settings, sizes, text_out, fusion)
        s = settings
        self.heads["T"] = Head(text_out, s.text_post, s.text_post_dropout)
        self.heads["A"] = Head(s.audio_hidden, s.audio_post, s.audio_post_dropout)
        self.heads["V"] = Head(s.vision_hidden, s.vision_post, s.vision_post_dropout)

    def loss(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """The weighted sum of the tasks' L1 losses. The gradients of a task of weight 0 are zero
        rather than absent, so that weight decay shrinks its head (D36, D39)."""
        output = self(batch)
        parts = {f"L1_{task}": l1(output[task], batch.label(task)) for task in schema.TASKS}
        return {
            "total": sum(
                getattr(self.settings.weights, t) * parts[f"L1_{t}"] for t in schema.TASKS
            ),
            **parts,
        }

    def validation_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        """The same weighted sum for each clip: (B,)."""
        return sum(
            getattr(self.settings.weights, t) * (output[t] - batch.label(t)).abs()
            for t in schema.TASKS
        )

    def encoder_groups(self) -> list[dict]:
        """Optimiser groups of the encoders, each with its own weight decay."""
        s = self.settings
        encoders = {
            self.text_encoder: s.decay_text,
            self.audio_encoder: s.decay_audio,
            self.vision_encoder: s.decay_vision,
        }
        return [group(s.lr, decay, encoder) for encoder, decay in encoders.items()]
