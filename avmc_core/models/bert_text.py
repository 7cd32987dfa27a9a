"""Text for the models that read BERT: its precomputed states, or BERT itself, fine-tuned with the rest of the model."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import BertModel

from avmc_core.batches import Batch
from avmc_core.errors import InputError


class Text(nn.Module):
    """[CLS] of a sentence, (B, D), or the last hidden states of all its tokens, (B, T, D), as ``view`` says.

    ``mode="frozen"``: the batch's text as it is; ``mode="finetune"``: ``encoder``, which is taken over, reads the batch's tokens
    and is trained in all its layers, its own dropouts on. States after a sentence's end are arbitrary: mask them. Raises
    InputError if the mode is unknown, or asks for an encoder that is missing or of another width.
    """

    def __init__(self, mode: str, view: str, width: int, encoder: BertModel | None):
        super().__init__()
        if mode not in ("frozen", "finetune"):
            raise InputError("text", repr(mode), "'frozen' or 'finetune'")
        self.view = view
        self.encoder = check_encoder(encoder, width) if mode == "finetune" else None
        self.input = view if mode == "frozen" else "cls"  # the view of the batch's text; BERT reads tokens instead

    def forward(self, batch: Batch) -> Tensor:
        if self.encoder is None:
            return batch.text
        ids, mask, segments = valid_tokens(batch)
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state
        return states[:, 0] if self.view == "cls" else states


def check_encoder(encoder: BertModel | None, width: int) -> BertModel:
    """The encoder, if it is there and gives ``width`` features a token; else raises InputError."""
    if encoder is None:
        raise InputError("text", "'finetune' without an encoder", "a BertModel, as text_encoder.load_encoder gives")
    if encoder.config.hidden_size != width:
        raise InputError("text encoder", f"hidden size {encoder.config.hidden_size}", str(width))
    return encoder


def valid_tokens(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention mask and segments, each (B, T), cut after the longest sentence: masked tokens change nothing before it."""
    longest = int(batch.tokens[:, 1].sum(1).max())
    return batch.tokens[:, :, :longest].unbind(1)


def outside_bert(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a model by name, without those of its ``text.encoder``."""
    return {name: p for name, p in model.named_parameters() if not name.startswith("text.encoder.")}
