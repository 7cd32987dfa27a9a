"""A step on a GPU moves nothing there and waits for nothing: the host would stand still in the
middle of each step, and no step could be recorded.

PyTorch's device "meta", which computes shapes alone, stands for the GPU: it has no numbers that
could be read, and an operation that takes a tensor of the host is seen.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import is_tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from avmc_core import draws
from avmc_core.batch import Batch, with_host
from avmc_core.kernels import dropout, gpu, launched
from avmc_core.mixup import Draw
from avmc_core.models import registry
from avmc_core.models.base import Sizes

CLIPS, STEPS = 6, 9
SIDE_BY_SIDE = [
    ("AV-MC", {}),
    ("AV-MC", {"unimodal_tasks": False}),
    ("AV-MC", {"variant": "paper", "mixup.level": "input"}),
    ("AV-MC(Semi)", {}),
    ("AV-MC(Semi)", {"variant": "paper", "mixup.level": "hidden"}),
]
ALONE = [
    ("Unimodal LSTM", {"modality": "vision"}),
    *((name, {}) for name in ("LF_DNN", "LMF", "MLF_DNN", "MLMF", "TFN")),
    ("LF_DNN", {"mended": ("D20", "D32")}),
]


class FromHost(TorchFunctionMode):
    """Records calls that move something between the host and the device: tensors of both, numbers
    that become a tensor there, indices in a list, and ``torch.where`` with a number, which moves
    it."""

    def __init__(self):
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, call, types, args=(), kwargs=None):
        results = call(*args, **(kwargs or {}))
        name = getattr(call, "__name__", str(call))
        places = {x.device.type for x in tree_leaves((args, kwargs, results)) if is_tensor(x)}
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        if "meta" in places and (
            "cpu" in places
            or name in ("tensor", "as_tensor", "new_tensor")
            or (name == "where" and not all(map(is_tensor, args[1:])))
            or any(isinstance(i, list) for i in (index if isinstance(index, tuple) else [index]))
        ):
            self.seen.append(name)
        return results


def test_what_is_seen():
    x, mask = torch.empty(3, 4, device="meta"), torch.empty(3, 4, device="meta", dtype=torch.bool)
    with FromHost() as mode:
        torch.where(mask, x, 0.0), x.new_tensor([1.0]), x[:, [0, 1]], torch.ones(3, 4).to("meta")
        torch.tensor(1.0, device="meta"), torch.where(mask, x, x), x.masked_fill(mask, 0.0)
        2 * x + torch.arange(4, device="meta"), x[0, 1:], x[x[:, 0].long()], torch.ones(3) + 1
    assert mode.seen == ["where", "new_tensor", "__getitem__", "to", "tensor"]


@pytest.fixture(autouse=True)
def meta_is_the_gpu(monkeypatch):
    """What Triton launches has only a shape."""
    monkeypatch.setattr(gpu, "on_gpu", lambda x: x.is_meta)
    monkeypatch.setattr(launched, "resident", lambda size: True)
    monkeypatch.setattr(dropout, "_launch", lambda x, *rest: torch.empty_like(x))

    def forward(gates, bias, weight, lengths):
        state = gates.new_empty(*gates.shape[:-2], gates.shape[-1])
        return state, state.clone()

    def backward(gates, weight, cell, d_out, d_cell, lengths):
        return torch.empty_like(gates)

    monkeypatch.setattr(launched, "forward", forward)
    monkeypatch.setattr(launched, "backward", backward)


def on_device(model: nn.Module, seeds: int) -> nn.Module:
    """The model there; with ``seeds`` its weights and buffers have an axis of them."""
    axes = (seeds,) if seeds else ()
    for module in model.modules():
        for name, value in module._parameters.items():
            setattr(module, name, nn.Parameter(value.new_empty(*axes, *value.shape, device="meta")))
        for name, value in module._buffers.items():
            setattr(module, name, value.new_empty((*axes, *value.shape), device="meta"))
    return model.train()


def batch_of(inputs, seeds: int) -> Batch:
    axes, sizes = (seeds, CLIPS) if seeds else (CLIPS,), Sizes()
    views, lengths = {}, {}
    for name in ("text", "audio", "vision"):
        width, view = getattr(sizes, name), getattr(inputs, name)
        dense = view in ("cls", "mean", "padded_mean")
        views[name] = torch.empty(*axes, *(() if dense else (STEPS,)), width, device="meta")
        host = torch.randint(1, STEPS + 1, axes)
        lengths[f"{name}_lengths"] = with_host(host.to("meta"), host)
    empty = {"device": "meta", "dtype": torch.int64}
    return Batch(
        **views,
        **lengths,
        labels=torch.empty(*axes, 4, device="meta"),
        mask=torch.empty(*axes, device="meta", dtype=torch.bool),
        index=torch.empty(*axes, **empty),
        tokens=torch.empty(*axes, 3, 50, **empty),
    )


def operations_with_the_host(name, changes, seeds):
    settings = registry.settings_of(name, changes)
    model = on_device(copy.deepcopy(registry.builder(name)(settings, Sizes())), seeds)
    batch, stage, drawn = batch_of(model.inputs, seeds), "train", []
    keys = None
    if seeds:
        stage, keys = "mixup", draws.Keys.on("meta", seeds)
        partner = torch.randint(0, CLIPS, (seeds, CLIPS))
        lam = torch.rand(seeds, 1).to("meta")
        drawn = [
            {m: Draw(with_host(partner.to("meta"), partner), lam) for m in model.mixed_modalities}
        ]
    found = FromHost()
    draws_keys, draws._keys = draws._keys, keys
    try:
        for _ in range(2):  # constants are moved in the first step
            found.seen.clear()
            with found:
                losses = model.loss(batch, stage, *drawn)
                losses["total"].sum().backward()
    finally:
        draws._keys = draws_keys
    return found.seen


@pytest.mark.parametrize(("name", "changes"), SIDE_BY_SIDE)
def test_seeds_side_by_side(name, changes):
    assert operations_with_the_host(name, changes, 2) == []


@pytest.mark.parametrize(("name", "changes"), ALONE)
def test_models_of_one_seed(name, changes):
    assert operations_with_the_host(name, changes, 0) == []
