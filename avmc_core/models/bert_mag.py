"""Bert_MAG: a gate between BERT's embeddings and its encoder shifts every token by the acoustic and
visual features (Rahman et al., ACL 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from avmc_core.batch import Batch, Inputs
from avmc_core.errors import InputError
from avmc_core.models import fixes
from avmc_core.models.alignment import pool, spread
from avmc_core.models.base import Capabilities, Model, Sizes, Training, adam, group
from avmc_core.models.bert_text import check_encoder, valid_tokens

if TYPE_CHECKING:
    from transformers import BertModel

# a clip's own frames are spread over its own tokens, not padding and all over 50 steps
MENDABLE = ("D33",)
INITIAL_DEVIATION = 0.02  # of every new weight, as BERT's own


@dataclass(frozen=True)
class BertMAGSettings:
    """The reference's values for the first version of the dataset (MMSA, config_regression.json,
    bert_mag, sims): there are none for this one (D28)."""

    text: str = "finetune"  # the gate sits inside BERT: there are no states to precompute
    beta_shift: float = 1.0  # how long a token's shift may be, in lengths of its embedding
    dropout: float = 0.1
    lr: float = 5e-5
    decay: float = 0.0
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        if self.text != "finetune":
            raise InputError("BertMAGSettings.text", repr(self.text), "'finetune'")
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = BertMAGSettings()


class Gate(nn.Module):
    """The multimodal adaptation gate: embeddings (B, T, D) with audio and vision at the same steps
    to shifted ones."""

    def __init__(self, sizes: Sizes, beta_shift: float, dropout: float):
        super().__init__()
        self.beta_shift = beta_shift
        self.gate_audio = nn.Linear(sizes.audio + sizes.text, sizes.text)
        self.gate_vision = nn.Linear(sizes.vision + sizes.text, sizes.text)
        self.audio = nn.Linear(sizes.audio, sizes.text)
        self.vision = nn.Linear(sizes.vision, sizes.text)
        self.norm = nn.LayerNorm(sizes.text)
        self.drop = nn.Dropout(dropout)

    def forward(self, text: Tensor, audio: Tensor, vision: Tensor) -> Tensor:
        open_audio = relu(self.gate_audio(torch.cat((audio, text), -1)))
        open_vision = relu(self.gate_vision(torch.cat((vision, text), -1)))
        shift = open_audio * self.audio(audio) + open_vision * self.vision(vision)  # (B, T, D)
        length = shift.norm(dim=-1, keepdim=True)  # (B, T, 1)
        length = torch.where(length == 0, 1.0, length)
        scale = (self.beta_shift * text.norm(dim=-1, keepdim=True) / (length + 1e-6)).clamp(max=1.0)
        return self.drop(self.norm(scale * shift + text))


class BertMAG(Model):
    """Inputs: tokens; audio and vision whole, padding included, in as many chunks as a text has
    steps (D33)."""

    @staticmethod
    def capabilities(settings: BertMAGSettings) -> Capabilities:
        """It fine-tunes the text encoder, its pooler included."""
        return Capabilities(text_encoder=True, tokens=True, pooler=True)

    def __init__(self, settings: BertMAGSettings, sizes: Sizes, encoder: BertModel | None = None):
        """``encoder`` is taken over, its pooler too; if it has none, it gets a new one."""
        super().__init__()
        self.settings, self.steps = settings, sizes.text_steps
        view = "frames" if "D33" in settings.mended else "padded"
        self.inputs = Inputs(text="cls", audio=view, vision=view)
        self.gate = Gate(sizes, settings.beta_shift, settings.dropout)
        self.drop = nn.Dropout(0.1)
        self.regress = nn.Linear(sizes.text, 1)
        new = [self.gate, self.regress]
        self.encoder = check_encoder(encoder, sizes.text)
        if encoder.pooler is None:
            from transformers.models.bert.modeling_bert import BertPooler

            encoder.pooler = BertPooler(encoder.config)
            new.append(encoder.pooler)
        for linear in (
            module for part in new for module in part.modules() if isinstance(module, nn.Linear)
        ):
            nn.init.normal_(linear.weight, std=INITIAL_DEVIATION)
            nn.init.zeros_(linear.bias)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        from transformers.masking_utils import create_bidirectional_mask

        ids, mask, segments = valid_tokens(batch)  # (B, T)
        audio, vision = self._beside(batch, mask)
        embedded = self.gate(
            self.encoder.embeddings(input_ids=ids, token_type_ids=segments), audio, vision
        )
        attention = create_bidirectional_mask(self.encoder.config, embedded, mask)
        states = self.encoder.encoder(embedded, attention_mask=attention).last_hidden_state
        return {"M": self.regress(self.drop(self.encoder.pooler(states))).squeeze(-1)}

    def _beside(self, batch: Batch, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Audio and vision at the steps of the tokens whose mask (B, T) is given, each (B, T,
        D)."""
        if "D33" in self.settings.mended:
            tokens, steps = mask.sum(1), mask.shape[1]
            audio = spread(batch.audio, batch.audio_lengths, tokens, steps)
            return audio, spread(batch.vision, batch.vision_lengths, tokens, steps)
        audio, vision = pool(batch.audio, self.steps), pool(batch.vision, self.steps)
        return audio[:, : mask.shape[1]], vision[:, : mask.shape[1]]

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [adam(group(self.settings.lr, self.settings.decay, self))]
