"""MFN: three LSTMs, an attention over their cell states before and after each step, and a gated
memory (Zadeh et al., AAAI 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.lstm import LSTM, fused, last_valid
from avmc_core.models import alignment, fixes
from avmc_core.models.base import Model, Sizes, Training, adam, group
from avmc_core.models.gated_memory import MLP, GatedMemory, Layer, before, steps_read

MENDABLE = ("D20", "D21", "D32")


@dataclass(frozen=True)
class MFNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, mfn)."""

    text_hidden: int = 128
    audio_hidden: int = 16
    vision_hidden: int = 128
    memory: int = 400
    attention: Layer = Layer(32, 0.2)  # NN1Config
    candidate: Layer = Layer(128, 0.5)  # NN2Config
    keep: Layer = Layer(32, 0.5)  # gamma1Config
    write: Layer = Layer(32, 0.2)  # gamma2Config
    out: Layer = Layer(64, 0.2)  # outConfig
    lr: float = 1e-3  # Adam
    decay: float = 0.0
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=64)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = MFNSettings()


class MFN(Model):
    """As run, audio and vision are one average over the padded length (D20), repeated at every step
    (D21).

    Mendable: D20, the average is over the valid frames; D21, the valid frames are spread over the
    clip's text steps (for which D20 makes no difference); D32, states and memory are read after the
    last valid text step instead of after all padding.
    """

    def __init__(self, settings: MFNSettings, sizes: Sizes):
        super().__init__()
        s = self.settings = settings
        average = "mean" if "D20" in s.mended else "padded_mean"
        view = "frames" if "D21" in s.mended else average
        self.inputs = Inputs(
            text="states" if "D32" in s.mended else "padded", audio=view, vision=view
        )
        hidden = {m: getattr(s, f"{m}_hidden") for m in schema.MODALITIES}
        width = sum(hidden.values())
        self.rnns = nn.ModuleDict(
            {m: LSTM(getattr(sizes, m), hidden[m]) for m in schema.MODALITIES}
        )
        self.attention = MLP(2 * width, s.attention, 2 * width)
        self.candidate = MLP(2 * width, s.candidate, s.memory)
        self.gated = GatedMemory(2 * width, s.memory, s.keep, s.write)
        self.out = MLP(width + s.memory, s.out, 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Also ``L`` (B, H + m): final LSTM states and memory, which M is read from."""
        steps = batch.text.shape[1]
        lengths = steps_read(batch.text, batch.text_lengths, "D32" not in self.settings.mended)
        states = [lstm_states(self.rnns[m], x, steps) for m, x in self.sequences(batch).items()]
        # (B, T, H) both
        outputs, cells = (torch.cat(parts, -1) for parts in zip(*states, strict=True))
        windows = torch.cat([before(cells), cells], -1)  # (B, T, 2H)
        attended = torch.softmax(self.attention(windows), -1) * windows
        memory = self.gated(attended, torch.tanh(self.candidate(attended)), lengths)
        final = torch.cat([last_valid(outputs, lengths), memory], -1)
        return {"M": self.out(final).squeeze(-1), "L": final}

    def sequences(self, batch: Batch) -> dict[str, Tensor]:
        """Text, audio, vision as (B, T, D), or (B, 1, D) if constant in time."""
        sequences = {"text": batch.text}
        for name in ("audio", "vision"):
            x = getattr(batch, name)
            if "D21" in self.settings.mended:
                lengths = getattr(batch, f"{name}_lengths")
                sequences[name] = alignment.spread(
                    x, lengths, batch.text_lengths, batch.text.shape[1]
                )
            else:
                sequences[name] = x[:, None]
        return sequences

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, self.settings.decay, self))]


def lstm_states(rnn: LSTM, x: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """h and c after every step of a one-layer LSTM, each (B, T, h); PyTorch's own returns only the
    last c.

    x is (B, T, D), or (B, 1, D) if the input is the same at every step. Gates come in the order i,
    f, g, o.
    """
    inputs = rnn.gates_of_steps(x).unflatten(0, x.shape[:2]).expand(-1, steps, -1)  # (B, T, 4h)
    if fused(x, rnn.hidden_size):
        whole = torch.full((len(x),), steps, device=x.device)
        # overwrites what nobody else reads
        states = rnn.states(inputs.flatten(0, 1), whole)
        return tuple(state.unflatten(0, (len(x), steps)) for state in states)
    inputs = inputs + rnn.bias_ih_l0 + rnn.bias_hh_l0
    h = c = x.new_zeros(len(x), rnn.hidden_size)
    hidden, cells = [], []
    for step in inputs.unbind(1):
        i, f, g, o = torch.addmm(step, h, rnn.weight_hh_l0.T).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(h)
        cells.append(c)
    return torch.stack(hidden, 1), torch.stack(cells, 1)
