"""The corpus's small text encoder: the same class as bert-base-chinese, with the same 768 features
per token, but with one layer, a vocabulary of the lexicon's characters, and random weights from a
fixed seed, which are not trained on anything.

A random encoder already tells sentences apart: its [CLS] state holds a random projection of the bag
of characters. What pretraining would add, that characters of similar use lie near one another, is
given to it by construction: the embedding of each character is shifted along one random direction
by the lexicon's mean degree of sentiment for it (``polarity``). Without that, a few hundred
sentences are too few to learn the use of 250 characters from.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from avmc_core.schema import DIMS
from avmc_core.simulated.sentences import characters, polarity

if TYPE_CHECKING:  # three seconds that those who read stored features need not wait for
    from transformers import BertModel, BertTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# units; random ones add nothing that the states do not have, and 1536 cost half of the time
FEED_FORWARD = 128
# twice BERT's own, so that the constant part of [CLS] does not drown the sentence
INITIAL_RANGE = 0.04
SENTIMENT = 2.0  # length of the shift for polarity 1, in random embeddings
SEED = 768


def build_encoder() -> tuple[BertTokenizerFast, BertModel]:
    """Tokenizer and encoder of the embedded corpus, in evaluation mode; the same weights at every
    call."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = (*SPECIAL, *characters())
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=DIMS["text"],
        num_hidden_layers=1,
        num_attention_heads=12,
        intermediate_size=FEED_FORWARD,
        max_position_embeddings=64,
        initializer_range=INITIAL_RANGE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BertModel(config, add_pooling_layer=False).eval()
        words = model.embeddings.word_embeddings.weight
        sentiment = torch.tensor([polarity().get(token, 0.0) for token in vocabulary])
        with torch.no_grad():
            words += SENTIMENT * INITIAL_RANGE * sentiment[:, None] * torch.randn(DIMS["text"])
    # From a folder: the vocab_file argument would map everything to [UNK] in transformers 5.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        tokenizer = BertTokenizerFast.from_pretrained(folder)
    return tokenizer, model
