"""BERT: a pretrained encoder from a local folder, and the states that it computes for sentences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from avmc_core.errors import InputError
from avmc_core.files import pretrained
from avmc_core.schema import STEPS
from avmc_core.settings import digest, file_digest

if TYPE_CHECKING:  # three seconds that those who read stored features need not wait for
    from transformers import BertModel, BertTokenizerFast

BATCH = 64  # sentences encoded together
BERT = "bert-base-chinese"  # the encoder of the released text features
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")  # words that a vocabulary of BERT has
UNKNOWN = SPECIAL[1]
VOCABULARIES = ("tokenizer.json", "vocab.txt")  # the first that is there is read
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
# rows of the embedding without a word: some are rounded up to a multiple of this number
# (ERNIE 1.0: 18000 for 17964 words); that of bert-base-chinese is not, so each word must be there
_ROUND, _SPARE = 16, 128


def load_encoder(name, pooling: bool = False) -> tuple[BertTokenizerFast, BertModel]:
    """A BERT and its tokenizer, in evaluation mode and float32: from the local folder ``name`` if
    there is one, else from the local model cache under that name ("bert-base-chinese"). Never asks
    the network. With ``pooling`` its pretrained pooler too, if it has one; else the pooler is None.

    Raises InputError if neither place has it, or for a folder in which any weight or the vocabulary
    is absent, damaged or of another model (``files.pretrained``).
    """
    from transformers import BertConfig, BertModel

    folder = pretrained.folder_of(name, "a BERT, such as bert-base-chinese")
    facts = pretrained.configuration(folder, "bert")
    tokenizer = _tokenizer(folder)
    try:
        config = BertConfig.from_dict(facts)
        with torch.random.fork_rng(devices=[]):
            model = BertModel(config, add_pooling_layer=pooling)
    except (ValueError, TypeError, AttributeError, RuntimeError, KeyError) as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise InputError(
            folder / pretrained.CONFIG, reason, "the configuration of a BERT"
        ) from None
    if pretrained.fill(
        model, folder, "bert.", optional=[r"pooler\.", r"embeddings\.position_ids$"]
    ):
        model.pooler = None
    if config.is_decoder:  # each word would see those before it alone
        setting = "is_decoder: true, a BERT that writes text"
        raise InputError(
            folder / pretrained.CONFIG, setting, "is_decoder: false, one that reads it"
        )
    unused = config.vocab_size - len(tokenizer)
    rounded = unused == 0 or config.vocab_size % _ROUND == 0
    if unused < 0 or unused > _SPARE or not rounded:
        sizes = f"a vocabulary of {len(tokenizer)} words for weights of {config.vocab_size}"
        raise InputError(folder, sizes, "the vocabulary that belongs to the weights")
    if tokenizer.pad_token_id != (config.pad_token_id or 0):
        padding_token = f"{SPECIAL[0]} as word {tokenizer.pad_token_id} of the vocabulary"
        wanted = (
            f"word {config.pad_token_id or 0}, as {pretrained.CONFIG} says: words in their order"
        )
        raise InputError(folder, padding_token, wanted)
    return tokenizer, model


def _tokenizer(folder: Path) -> BertTokenizerFast:
    """The tokenizer of a folder. Without a vocabulary transformers would make every character
    [UNK]."""
    from transformers import BertTokenizerFast

    vocabularies = [folder / file for file in VOCABULARIES if (folder / file).is_file()]
    if not vocabularies:
        wanted = f"{' or '.join(VOCABULARIES)}: without one every character would be {UNKNOWN}"
        raise InputError(folder, "no vocabulary", wanted)
    beside = [folder / name for name in _BESIDE if (folder / name).is_file()]
    for path in (*vocabularies, *beside):
        pretrained.checked(path)
    try:
        with quiet():
            tokenizer = BertTokenizerFast.from_pretrained(
                folder, local_files_only=True, padding_side="right", truncation_side="right"
            )
        words = tokenizer.get_vocab()
    except Exception as error:  # the tokenizers library raises bare ones
        raise InputError(
            folder, f"an unreadable vocabulary ({str(error)[:120]})", "an intact one"
        ) from None
    if lost := [word for word in SPECIAL if word not in words]:
        raise InputError(
            vocabularies[0], f"no {', '.join(lost)} in the vocabulary", "a vocabulary of BERT"
        )
    return tokenizer


def encoder_name() -> str:
    """Where the encoder of real text features is: the local folder $AVMC_BERT, or under this name
    in the local model cache."""
    return os.environ.get("AVMC_BERT") or BERT


def locate(name: str) -> Path | None:
    """The folder that ``load_encoder(name)`` reads: a local one, or that of the local model cache;
    None where neither is there."""
    folder = Path(name)
    return pretrained.snapshot_of(folder) if folder.is_dir() else pretrained.cached(name)


def encoder_digest(name: str) -> str:
    """SHA-256 (hex) of the configuration and the weights that ``load_encoder(name)`` reads; ""
    where there are none."""
    folder = locate(name)
    if folder is None:
        return ""
    config = pretrained.config_of(folder, "bert")
    files = [config, *folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return (
        digest({path.name: file_digest(path) for path in files if path.is_file()})
        if files[1:]
        else ""
    )


def words(sentences: Sequence[str], encoder) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of each sentence before any cut, (N,) int64, [CLS] and [SEP] included, and how many of
    them are [UNK], (N,).

    ``encode`` keeps the first 50 tokens; what is beyond is ``max(0, tokens - 50)``.
    """
    tokenizer = encoder[0]
    ids = (
        tokenizer(list(sentences), truncation=False, verbose=False)["input_ids"]
        if len(sentences)
        else []
    )
    unknown = [sum(token == tokenizer.unk_token_id for token in row) for row in ids]
    return np.array([len(row) for row in ids], dtype=np.int64), np.array(unknown, dtype=np.int64)


@torch.no_grad()
def encode(
    sentences: Sequence[str], encoder: tuple[BertTokenizerFast, BertModel]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Last hidden states of ``sentences`` and their tokens, from ``encoder`` (tokenizer, model).

    Returns states (sum of lengths, 768) float32, [CLS] first and [SEP] last in each sentence;
    lengths (N,) int64, at most 50; tokens (N, 3, 50) int64: ids, mask (1 is a token), segments, as
    in the released ``text_bert``. Raises InputError for a sentence none of whose characters is in
    the vocabulary: its states would say nothing.
    """
    tokenizer, model = encoder
    out = tokenizer(
        list(sentences),
        padding="max_length",
        truncation=True,
        max_length=STEPS["text"],
        return_tensors="pt",
    )
    # (N, 3, 50)
    tokens = torch.stack([out["input_ids"], out["attention_mask"], out["token_type_ids"]], dim=1)
    lengths = tokens[:, 1].sum(dim=1)
    unknown = (tokens[:, 0] == tokenizer.unk_token_id).sum(dim=1)
    for row in torch.nonzero((unknown > 0) & (unknown == lengths - 2)).flatten().tolist()[:1]:
        unencodable = (
            f"{list(sentences)[row][:40]!r}, of which the encoder's vocabulary has not one "
            "character"
        )
        raise InputError("transcript", unencodable, "a sentence in the language of the encoder")
    ends = lengths.cumsum(0)
    states = np.empty((int(ends[-1]), model.config.hidden_size), dtype=np.float32)
    # like lengths together: little padding is computed
    for rows in torch.argsort(lengths, stable=True).split(BATCH):
        ids, mask, segments = tokens[rows, :, : int(lengths[rows].max())].unbind(dim=1)
        # (B, T, D)
        hidden = model(
            input_ids=ids, attention_mask=mask, token_type_ids=segments
        ).last_hidden_state
        for row, state in zip(rows.tolist(), hidden.numpy(), strict=True):
            states[ends[row] - lengths[row] : ends[row]] = state[: lengths[row]]
    return states, lengths.numpy(), tokens.numpy()


@contextmanager
def quiet():
    """Without transformers' progress bars, which know nothing of ours, and its reports on weights
    that nobody asked for."""
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
