"""BERT: a pretrained encoder from a local folder, and the states that it gives to sentences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from avmc_core.errors import InputError
from avmc_core.schema import STEPS
from avmc_core.settings import digest, file_digest

if TYPE_CHECKING:  # three seconds that those who read stored features need not wait for
    from transformers import BertModel, BertTokenizerFast

BATCH = 64  # sentences encoded together
BERT = "bert-base-chinese"  # the encoder of the released text features


def load_encoder(name, pooling: bool = False) -> tuple[BertTokenizerFast, BertModel]:
    """A BERT and its tokenizer, in evaluation mode: from the local folder ``name`` if there is one, else from the local
    model cache under that name ("bert-base-chinese"). Never asks the network. With ``pooling`` its pretrained pooler too,
    if it has one; else the pooler is None. Raises InputError if neither place has it, or its weights are damaged or not all there.
    """
    from safetensors import SafetensorError
    from transformers import BertModel, BertTokenizerFast

    try:
        with quiet():
            tokenizer = BertTokenizerFast.from_pretrained(name, local_files_only=True)
            model, report = BertModel.from_pretrained(
                name, local_files_only=True, add_pooling_layer=pooling, output_loading_info=True
            )
    except (OSError, ValueError) as error:
        raise InputError(
            name,
            "no such encoder in a local folder or in the local model cache",
            "a folder with config.json, model.safetensors and a tokenizer: save_encoder(folder) writes the embedded "
            "corpus's own; a pretrained one is downloaded beforehand with `hf download bert-base-chinese`",
        ) from error
    except (SafetensorError, RuntimeError) as error:
        found = f"weights that do not read ({str(error).splitlines()[0]})"
        raise InputError(name, found, "an intact model.safetensors, which a pointer of Git LFS is not") from None
    missing = sorted(report["missing_keys"])  # transformers would leave them random
    if lost := [key for key in missing if not key.startswith("pooler.")]:
        raise InputError(name, f"no weights for {', '.join(lost[:3])}", "all weights of a BERT")
    if missing:
        model.pooler = None
    return tokenizer, model.eval()


def encoder_name() -> str:
    """Where the encoder of real text features is: the local folder $AVMC_BERT, or under this name in the local model cache."""
    return os.environ.get("AVMC_BERT") or BERT


def identity(name: str) -> str:
    """SHA-256 (hex) of the configuration and the weights that ``load_encoder(name)`` reads; "" where there are none."""
    folder = Path(name)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            found = try_to_load_from_cache(name, "config.json")
        except HFValidationError:  # the path of a folder that is not there
            found = None
        if not isinstance(found, str):
            return ""
        folder = Path(found).parent
    files = [folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return digest({path.name: file_digest(path) for path in files if path.is_file()}) if files[1:] else ""


@torch.no_grad()
def encode(
    sentences: Sequence[str], encoder: tuple[BertTokenizerFast, BertModel]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last hidden states of ``sentences`` and their tokens, from ``encoder`` (tokenizer, model).

    Returns states (sum of lengths, 768) float32, [CLS] first and [SEP] last in each sentence; lengths (N,) int64, at most
    50; tokens (N, 3, 50) int64: ids, mask (1 is a token), segments, as in the released ``text_bert``.
    """
    tokenizer, model = encoder
    out = tokenizer(
        list(sentences), padding="max_length", truncation=True, max_length=STEPS["text"], return_tensors="pt"
    )
    tokens = torch.stack([out["input_ids"], out["attention_mask"], out["token_type_ids"]], dim=1)  # (N, 3, 50)
    lengths = tokens[:, 1].sum(dim=1)
    ends = lengths.cumsum(0)
    states = np.empty((int(ends[-1]), model.config.hidden_size), dtype=np.float32)
    for rows in torch.argsort(lengths, stable=True).split(BATCH):  # like lengths together: little padding is computed
        ids, mask, segments = tokens[rows, :, : int(lengths[rows].max())].unbind(dim=1)
        hidden = model(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state  # (B, T, D)
        for row, state in zip(rows.tolist(), hidden.numpy(), strict=True):
            states[ends[row] - lengths[row] : ends[row]] = state[: lengths[row]]
    return states, lengths.numpy(), tokens.numpy()


@contextmanager
def quiet():
    """Without transformers' progress bars, which know nothing of ours, and its reports on weights that nobody asked for."""
    from transformers.utils import logging

    was_on, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if was_on:
            logging.enable_progress_bar()
