"""Which runs a GPU trains side by side, as far as a machine without one can tell."""

from __future__ import annotations

import torch

from avmc_core.kernels import dropout, gpu, launched
from avmc_core.runs.computing import grouped
from avmc_core.runs.execution import _stackable_on_gpu
from avmc_core.runs.store import Run


def test_the_key_of_a_run_on_a_gpu_says_whether_it_is_trained_side_by_side(tiny_store, monkeypatch):
    """As it follows from the model, its settings and Triton; the machine that asks may have no
    GPU. One that has a GPU tries, and the key says what will be done."""

    def side_by_side(model, **changes):
        found = []
        monkeypatch.setattr(
            "avmc_core.runs.store.digest", lambda depends: found.append(depends) or "0" * 64
        )
        _stackable_on_gpu.cache_clear()
        Run(model, 1, tuple(changes.items())).key(tiny_store, "cuda")
        return found[-1]["gpu"]["together"]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "triton_version", lambda: "3.7.0")
    assert side_by_side("AV-MC") and side_by_side("AV-MC(Semi)", variant="paper")
    assert side_by_side("LF_DNN") and side_by_side("Unimodal LSTM")
    assert not side_by_side("TFN") and not side_by_side("Constant")
    assert not side_by_side("AV-MC", **{"training.clip_norm": 1.0})
    assert not side_by_side("AV-MC(Semi)", audio_hidden=129), "more than a launch takes"
    monkeypatch.setattr(gpu, "triton_version", lambda: "")
    assert not side_by_side("AV-MC")

    monkeypatch.setattr(gpu, "triton_version", lambda: "3.7.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(launched, "possible", lambda hidden: hidden == 32)
    for launches in (True, False):
        monkeypatch.setattr(dropout, "launches", lambda launches=launches: launches)
        assert side_by_side("AV-MC") == side_by_side("AV-MC(Semi)") == launches
        assert not side_by_side("AV-MC", variant="paper"), (
            "its layers of 16 units cannot be launched"
        )


def test_a_gpu_holds_sixteen_seeds_at_once(tiny_store, monkeypatch):
    monkeypatch.setattr("avmc_core.runs.computing.trains_together", lambda *rest: True)
    grid = [Run("AV-MC", seed) for seed in range(18)]
    assert [len(part) for part in grouped(grid, tiny_store, "cuda", 1)] == [16, 2]
    assert [len(part) for part in grouped(grid, tiny_store, "cpu", 1)] == [18]
