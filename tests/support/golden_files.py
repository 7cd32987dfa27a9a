"""The reference models' weights, inputs, outputs, losses and gradients (see
tests/golden/README.md)."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from avmc_core import schema
from avmc_core.batch import Batch

GOLDEN = Path(__file__).parents[1] / "golden"
FOLDER = Path(os.environ.get("AVMC_GOLDEN") or GOLDEN)
TRAINING = Path(os.environ.get("AVMC_GOLDEN_TRAINING") or GOLDEN / "training")


@dataclass(frozen=True)
class Golden:
    config: dict
    tensors: dict[str, Tensor]
    facts: dict[str, str]  # all metadata, the configuration included

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name starts with ``prefix.``, without it."""
        return {
            name[len(prefix) + 1 :]: t
            for name, t in self.tensors.items()
            if name.startswith(prefix + ".")
        }

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


def read(name: str, folder: Path = FOLDER) -> Golden:
    """A file of ``folder``; where another folder than the project's is tried that has no file of
    this name, the project's."""
    if not (folder / f"{name}.safetensors").exists():
        folder = GOLDEN
    with safe_open(folder / f"{name}.safetensors", "pt") as file:
        facts = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return Golden(json.loads(facts["config"]), tensors, facts)


def rename(tensors: dict[str, Tensor], rules: dict[str, str]) -> dict[str, Tensor]:
    """Reference names to ours by regular expressions; a rule that maps to "" drops the tensor."""
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, ours in rules.items():
            name, hit = re.subn(f"^{pattern}", ours, name)
            if hit:
                break
        if name:
            renamed[name] = tensor
    return renamed


def state_of(tensors: dict[str, Tensor], rules: dict[str, str]) -> dict[str, Tensor]:
    """Reference weights and buffers under our names, without those that ours do not have."""
    state = rename(tensors, {"output_(range|shift)$": "", **rules})
    return {name: t for name, t in state.items() if not name.startswith("unused.")}


def load(model: nn.Module, golden: Golden, rules: dict[str, str]) -> None:
    """Put the golden weights and buffers into the model, all of them and nothing else; evaluation
    mode."""
    model.load_state_dict(
        state_of(golden.group("param") | golden.group("buffer"), rules), strict=True
    )
    model.eval()


def batch(golden: Golden, **changes: Tensor) -> Batch:
    """The golden inputs as a batch; ``changes`` replace fields (views such as means)."""
    inputs = golden.group("input")
    rows = len(inputs["label_M"])
    fields = {
        **{m: inputs[m] for m in schema.MODALITIES},
        **{
            f"{m}_lengths": inputs.get(f"{m}_lengths", torch.full((rows,), inputs[m].shape[1]))
            for m in schema.MODALITIES
        },
        "labels": torch.stack(
            [inputs.get(f"label_{t}", torch.full((rows,), torch.nan)) for t in schema.TASKS], 1
        ),
        "mask": inputs.get("mask", torch.ones(rows)).bool(),
        "index": torch.arange(rows),
        "tokens": inputs["text_bert"]
        if "text_bert" in inputs
        else torch.zeros(rows, 3, 1, dtype=torch.int64),
    }
    return Batch(**(fields | changes))


def check(actual: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Names in ``expected`` must have equal values; a missing name fails."""
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name].reshape(value.shape),
            value,
            rtol=tolerance,
            atol=tolerance,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def check_gradients(model: nn.Module, golden: Golden, rules: dict[str, str]) -> None:
    """Every golden gradient has an equal one here, and no parameter has a gradient that the
    reference does not have."""
    expected = {
        n: t for n, t in rename(golden.group("grad"), rules).items() if not n.startswith("unused.")
    }
    ours = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert set(ours) == set(expected), f"gradients differ in {set(ours) ^ set(expected)}"
    check(ours, expected, 1e-4)
