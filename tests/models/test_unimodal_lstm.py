"""The unimodal LSTM reads all frames of its own modality and no padding, and learns its own
annotation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from avmc_core import schema
from avmc_core.data.batches import SplitData
from avmc_core.errors import InputError
from avmc_core.models.registry import settings_of
from avmc_core.models.unimodal_lstm import UnimodalLSTM
from avmc_core.runs.execution import sizes_of


def build(store, modality, task="M"):
    torch.manual_seed(0)
    model = UnimodalLSTM(
        settings_of("Unimodal LSTM", {"modality": modality, "task": task}), sizes_of(store)
    )
    return model, SplitData(store.split("train"), model.inputs).batch(torch.arange(8))


@pytest.mark.parametrize("modality", schema.MODALITIES)
def test_equals_torch_lstm_on_each_clip_alone(tiny_store, modality):
    model, batch = build(tiny_store, modality)
    model.eval()
    reference = nn.LSTM(model.rnn.input_size, model.rnn.hidden_size, batch_first=True)
    reference.load_state_dict(model.rnn.state_dict())
    for row, length in enumerate(getattr(batch, f"{modality}_lengths")):
        frames = model.norm(getattr(batch, modality)[row, :length])
        expected = model.linear(reference(frames[None])[1][0][0])
        torch.testing.assert_close(model(batch)["M"][row], expected[0, 0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("modality", schema.MODALITIES)
def test_padding_and_the_other_modalities_change_nothing(tiny_store, modality):
    model, batch = build(tiny_store, modality)
    x, lengths = getattr(batch, modality), getattr(batch, f"{modality}_lengths")
    padding = torch.arange(x.shape[1]) >= lengths[:, None]
    spoilt = {
        m: torch.full_like(getattr(batch, m), torch.nan) for m in schema.MODALITIES if m != modality
    }
    spoilt[modality] = x.masked_fill(padding[..., None], torch.nan)
    outputs = []
    for given in (batch, replace(batch, **spoilt)):
        torch.manual_seed(1)
        outputs.append(model(given)["M"])
    torch.testing.assert_close(*outputs, rtol=0, atol=0)


@pytest.mark.parametrize("task", schema.TASKS)
def test_the_loss_is_the_error_of_its_own_annotation(tiny_store, task):
    model, batch = build(tiny_store, "text", task)
    model.eval()
    expected = (model(batch)[task] - batch.labels[:, schema.TASKS.index(task)]).abs()
    torch.testing.assert_close(model.validation_loss(model(batch), batch), expected)
    torch.testing.assert_close(model.loss(batch, "train")["total"], expected.mean())
    model.loss(batch, "train")["total"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_unknown_modality_or_task_is_an_error():
    with pytest.raises(InputError, match="modality: found 'smell'"):
        settings_of("Unimodal LSTM", {"modality": "smell"})
    with pytest.raises(InputError, match="task: found 'X'"):
        settings_of("Unimodal LSTM", {"task": "X"})
