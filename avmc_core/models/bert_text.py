"""Text for the models that read BERT: its precomputed states, or BERT itself, frozen or fine-tuned
with the rest of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.kernels.frames import WideLinear
from avmc_core.models.base import Capabilities

if TYPE_CHECKING:
    from transformers import BertModel


MODES = ("frozen", "frozen_dropout", "finetune")


def capabilities(settings: Any) -> Capabilities:
    """The capabilities of a model whose text is a ``Text`` of the mode ``settings.text``."""
    return Capabilities(text_encoder=settings.text != "frozen", tokens=settings.text == "finetune")


class Text(nn.Module):
    """[CLS] of a sentence, (B, D), or the last hidden states of all its tokens, (B, T, D), as
    ``view`` says.

    ``mode="frozen"``: the batch's text as it is. ``mode="frozen_dropout"`` (D16): the same in
    evaluation; in training the frozen ``encoder`` reads the batch's tokens with its dropouts on, so
    that the features differ at every call. ``mode="finetune"``: ``encoder`` reads the tokens and is
    trained in all its layers, its own dropouts on. The encoder becomes part of this module. States
    after a sentence's end are arbitrary: mask them. Raises InputError if the mode is unknown, or
    asks for an encoder that is missing or of another width.
    """

    def __init__(self, mode: str, view: str, width: int, encoder: BertModel | None):
        super().__init__()
        if mode not in MODES:
            raise InputError("text", repr(mode), f"one of {', '.join(map(repr, MODES))}")
        self.view = view
        # the view of the batch's text; BERT reads tokens instead
        self.input = "cls" if mode == "finetune" else view
        self.encoder = check_encoder(encoder, width) if mode == "finetune" else None
        # in a tuple, since it is not part of the model: not trained, not saved, never in evaluation
        # mode
        frozen = mode == "frozen_dropout"
        self.noisy = (
            (check_encoder(encoder, width).requires_grad_(False).train(),) if frozen else ()
        )

    @property
    def draws(self) -> bool:
        """Whether two calls in training give different features."""
        return self.training and (self.encoder is not None or bool(self.noisy))

    def forward(self, batch: Batch) -> Tensor:
        if self.encoder is not None:
            return self._read(self.encoder, batch)
        if self.noisy and self.training:
            return self._read(self.noisy[0].to(batch.tokens.device), batch)
        return batch.text

    def _read(self, encoder: BertModel, batch: Batch) -> Tensor:
        ids, mask, segments = valid_tokens(batch)
        states = encoder(
            input_ids=ids, attention_mask=mask, token_type_ids=segments
        ).last_hidden_state
        return states[:, 0] if self.view == "cls" else states


def check_encoder(encoder: BertModel | None, width: int) -> BertModel:
    """The encoder, its linear layers ``widened``. Raises InputError if there is
    none, or if it does not give ``width`` features per token."""
    if encoder is None:
        raise InputError("text", "no encoder", "a BertModel, as text_encoder.load_encoder gives")
    if encoder.config.hidden_size != width:
        raise InputError("text encoder", f"hidden size {encoder.config.hidden_size}", str(width))
    return widened(encoder)


def valid_tokens(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, attention mask and segments, each (B, T), cut after the longest sentence: masked tokens
    change nothing before it."""
    longest = int(batch.tokens[:, 1].sum(1).max())
    return batch.tokens[:, :, :longest].unbind(1)


def outside_bert(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a model by name, without those of its ``text.encoder``."""
    return {name: p for name, p in model.named_parameters() if not name.startswith("text.encoder.")}


def widened(network: nn.Module) -> nn.Module:
    """The network itself, each of whose linear layers (of that very type) is a ``WideLinear`` now,
    with the same parameters."""
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = WideLinear
    return network
