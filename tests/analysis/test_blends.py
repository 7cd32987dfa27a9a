"""Predictions for blends of two clips agree with the model's own mixup, and so does their
figure."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from torch import nn

from avmc_core.analysis.blends import PAIRS, WEIGHTS, paths
from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.mixup import Draw
from avmc_core.models import avmc_networks
from avmc_core.models.avmc import AVMCSettings
from avmc_core.models.base import Sizes
from avmc_core.publishing.mixup_explorer import MixupExplorer, gaps

SIZES = Sizes(text=12, audio=5, vision=11)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return avmc_networks.build(AVMCSettings(variant="paper"), SIZES).eval()


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(1)
    labels = torch.tensor([[0.0] * 4, [-0.8] * 4, [0.2] * 4, [1.0] * 4, [-0.8] * 4])
    return Batch.of(torch.randn(5, 12), torch.randn(5, 7, 5), torch.randn(5, 6, 11), labels)


def test_blends_are_those_of_the_mixup(network, batch):
    """Each prediction is the one that the mixup of the training gives for these two clips."""
    found = paths({"it": network}, batch)
    assert [(path.modality, path.pair) for path in found] == [
        (modality, pair) for modality in ("audio", "vision") for pair in PAIRS
    ]
    with torch.no_grad():
        seen = network(batch)
        for path in found:
            task = {"audio": "A", "vision": "V"}[path.modality]
            order = sorted(range(5), key=seen[task].tolist().__getitem__)
            clips = {"lowest": order[0], "middle": order[2], "highest": order[4]}
            first, second = (clips[name] for name in path.pair)
            partner = torch.arange(5)
            partner[first] = second
            assert path.labels == tuple(batch.labels[[first, second], 0].tolist())
            for step in (0, 7, 20):
                blend = Draw(partner, torch.tensor([WEIGHTS[step]]))
                mixed = blend.mix(seen[f"Feature_{path.modality[0]}"])
                said = float(network.classify(path.modality, mixed)[first])
                meant = float(blend.mix(seen[task])[first])
                assert path.predictions["it"].predicted[step] == pytest.approx(said, abs=1e-6)
                assert path.predictions["it"].mixed[step] == pytest.approx(meant, abs=1e-6)


def test_at_both_ends_there_is_no_gap_and_a_linear_head_has_none_at_all(network, batch):
    for path in paths({"it": network}, batch):
        predictions = path.predictions["it"]
        assert predictions.predicted[[0, -1]] == pytest.approx(predictions.mixed[[0, -1]], abs=1e-6)
        assert predictions.gap == np.abs(predictions.predicted - predictions.mixed).max()

    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(16, 1)

        def classify(self, modality, representation):
            return self.head(representation).squeeze(-1)

        def forward(self, batch):
            output = network(batch)
            return output | {
                task: self.classify(modality, output[f"Feature_{modality[0]}"])
                for task, modality in (("A", "audio"), ("V", "vision"))
            }

    assert all(path.predictions["it"].gap < 1e-6 for path in paths({"it": Linear()}, batch))


def test_two_clips_are_too_few(network, batch):
    pair = Batch.of(batch.text[:2], batch.audio[:2], batch.vision[:2], batch.labels[:2])
    with pytest.raises(InputError, match="2 clips; expected three"):
        paths({"it": network}, pair)


def test_the_figure_holds_every_prediction_and_no_address(network, batch):
    """The lines drawn, read back, are the predictions; nothing is loaded from elsewhere."""
    found = paths({"before": network, "after": network}, batch)
    page = MixupExplorer(found, "made-up clips")._repr_html_()
    assert "://" not in page and "made-up clips" in page
    assert page.count('<input type="radio"') == 2 + len(PAIRS)
    assert page.count('<input type="range"') == 1
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])
    for path in found:
        choice = data[path.modality][PAIRS.index(path.pair)]
        high, low = map(float, choice["ends"])
        for predictions, drawn in zip(path.predictions.values(), choice["networks"], strict=True):
            values = np.stack([predictions.predicted, predictions.mixed], 1)
            assert np.allclose(drawn["values"], values, atol=1e-4)
            assert np.all((values > low) & (values < high))
            for name, column in (("said", 0), ("meant", 1)):
                points = np.array(re.findall(r"([\d.]+) ([\d.]+)", drawn[name]), dtype=float)
                share = (points[:, 1] - 8) / 132  # of the axis, from the top
                assert np.allclose(high - share * (high - low), values[:, column], atol=0.012)


def test_the_table_tells_the_ends_in_the_order_of_the_clips(network, batch):
    table = gaps(paths({"before": network}, batch))
    with torch.no_grad():
        predictions = network(batch)["A"]
    assert table["predictions before"][0] == (
        f"{predictions.min():.2f} and {predictions.max():.2f}"
    )
    ends = batch.labels[[int(predictions.argmin()), int(predictions.argmax())], 0]
    assert table["annotated"][0] == f"{ends[0]:.1f} and {ends[1]:.1f}"
