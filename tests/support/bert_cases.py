"""The four networks on BERT at small sizes, a tiny BERT, clips for them, and epochs of the real
trainer on these."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from transformers import BertConfig, BertModel

from avmc_core.batch import Batch
from avmc_core.kernels.lengths import valid_steps
from avmc_core.models import bert_mag, misa, mmim, self_mm
from avmc_core.models.base import Sizes
from avmc_core.runs import training

SIZES = Sizes(
    text=24, audio=5, vision=7, text_steps=10, audio_steps=40, vision_steps=23, train_clips=12
)
MODELS = {
    "Bert_MAG": (bert_mag.BertMAG, bert_mag.SETTINGS),
    "MISA": (misa.MISA, misa.SETTINGS),
    "MMIM": (mmim.MMIM, mmim.SETTINGS),
    "Self_MM": (self_mm.SelfMM, self_mm.SETTINGS),
}
WITH_STATES = ("MISA", "MMIM", "Self_MM")  # those that can do without a BERT of their own


def tiny_bert(pooler: bool = True) -> BertModel:
    config = BertConfig(
        vocab_size=30,
        hidden_size=SIZES.text,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=SIZES.text_steps,
        initializer_range=0.3,  # so that attention is not uniform
    )
    return BertModel(config, add_pooling_layer=pooler)


def make(name: str, encoder: BertModel | None = None, **changes) -> nn.Module:
    """On stored text states where the model can use them, unless told otherwise."""
    model, settings = MODELS[name]
    text = {"text": "frozen"} if name in WITH_STATES else {}
    return model(replace(settings, **text | changes), SIZES, encoder)


def clips(rows: int = 12, seed: int = 0) -> Batch:
    """Clips of different lengths, audio and vision padded with zeros to the caps; text is [CLS]."""
    g = torch.Generator().manual_seed(seed)

    def frames(m):
        lengths = torch.randint(3, getattr(SIZES, f"{m}_steps") + 1, (rows,), generator=g)
        x = torch.randn(rows, getattr(SIZES, f"{m}_steps"), getattr(SIZES, m), generator=g)
        return x * valid_steps(lengths, x.shape[1])[..., None], lengths

    audio, audio_lengths = frames("audio")
    vision, vision_lengths = frames("vision")
    # no sentence fills all steps
    text_lengths = torch.randint(3, SIZES.text_steps, (rows,), generator=g)
    mask = valid_steps(text_lengths, SIZES.text_steps).long()
    ids = torch.randint(1, 30, mask.shape, generator=g) * mask
    return Batch(
        text=torch.randn(rows, SIZES.text, generator=g),
        audio=audio,
        vision=vision,
        text_lengths=text_lengths,
        audio_lengths=audio_lengths,
        vision_lengths=vision_lengths,
        labels=torch.rand(rows, 4, generator=g) * 2 - 1,
        mask=torch.ones(rows, dtype=torch.bool),
        index=torch.arange(rows),
        tokens=torch.stack([ids, mask, torch.zeros_like(ids)], 1),
    )


class Clips:
    """The parts of a split that the trainer needs."""

    def __init__(self, batch: Batch):
        self.whole = batch

    def __len__(self):
        return len(self.whole)

    def shuffled(self, batch_size, generator):
        return torch.randperm(len(self), generator=generator).split(batch_size)

    def batch(self, rows):
        return Batch(**{name: tensor[rows] for name, tensor in vars(self.whole).items()})

    def in_order(self, batch_size):
        yield self.whole


def epochs(model, batch: Batch, count: int = 1):
    """Train with the real trainer's passes; yields each epoch's losses by stage."""
    optimizers = model.optimizers()
    order = torch.Generator().manual_seed(0)
    for epoch in range(1, count + 1):
        yield {
            single.stage: training._one_pass(
                model, Clips(batch), single, optimizers, order, epoch, "cpu"
            )
            for single in model.passes(epoch)
        }


def short(name: str, **changes):
    """The published training in smaller batches."""
    return replace(MODELS[name][1].training, **{"batch_size": 4, **changes})


def misa_batch() -> Batch:
    batch = clips()
    return replace(batch, text=torch.randn(12, int(batch.text_lengths.max()), SIZES.text))


def small_mmim(max_epochs: int = 0, **changes) -> mmim.MMIM:
    """Entropy maps one wide, so that two clips of each sign suffice."""
    torch.manual_seed(0)
    loop = short("MMIM", batch_size=8, max_epochs=max_epochs)
    return make("MMIM", audio_out=4, vision_out=4, fusion=8, training=loop, **changes)


def alternating() -> Batch:
    """24 clips, positive and negative in turn."""
    batch = clips(24)
    batch.labels[:, 0] = torch.where(torch.arange(24) % 2 == 0, 0.6, -0.6)
    return batch
