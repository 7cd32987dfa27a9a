"""Every model by name. A new model is one file and one line here.

Nothing is imported before it is asked for, and no model imports this file: a run's key holds the
code of its own model only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from avmc_core import settings as settings_module
from avmc_core.errors import InputError

if TYPE_CHECKING:
    from avmc_core.models.base import Capabilities


@dataclass(frozen=True)
class Entry:
    """Where a model is: ``module.build(settings, sizes)`` makes it, ``module.settings`` are its
    published settings."""

    module: str
    settings: str = "SETTINGS"
    build: str = "build"


MODELS: dict[str, Entry] = {
    "Constant": Entry("avmc_core.models.trivial", "CONSTANT", "Constant"),
    "Text-only ridge": Entry("avmc_core.models.trivial", "TEXT_RIDGE", "TextRidge"),
    "Late mean": Entry("avmc_core.models.trivial", "LATE_MEAN", "LateMean"),
    "LF_DNN": Entry("avmc_core.models.lf_dnn", build="LFDNN"),
    "TFN": Entry("avmc_core.models.tfn", build="TFN"),
    "LMF": Entry("avmc_core.models.lmf", build="LMF"),
    "MFN": Entry("avmc_core.models.mfn", build="MFN"),
    "Graph_MFN": Entry("avmc_core.models.graph_mfn", build="GraphMFN"),
    "MulT": Entry("avmc_core.models.mult", build="MulT"),
    "Bert_MAG": Entry("avmc_core.models.bert_mag", build="BertMAG"),
    "MISA": Entry("avmc_core.models.misa", build="MISA"),
    "MMIM": Entry("avmc_core.models.mmim", build="MMIM"),
    "Self_MM": Entry("avmc_core.models.self_mm", build="SelfMM"),
    "MLF_DNN": Entry("avmc_core.models.mlf_dnn", build="MLFDNN"),
    "MTFN": Entry("avmc_core.models.mtfn", build="MTFN"),
    "MLMF": Entry("avmc_core.models.mlmf", build="MLMF"),
    "Unimodal LSTM": Entry("avmc_core.models.unimodal_lstm", build="UnimodalLSTM"),
    "Layered LSTM": Entry("avmc_core.models.layered_lstm", build="LayeredLSTM"),
    "AV-MC": Entry("avmc_core.models.avmc_networks", "SUPERVISED"),
    "AV-MC(Semi)": Entry("avmc_core.models.avmc_networks", "SEMI"),
}


def entry(model: str) -> Entry:
    """The registered model of this name. Raises InputError where there is none."""
    if model not in MODELS:
        raise InputError("model", repr(model), f"one of {', '.join(MODELS)}")
    return MODELS[model]


def settings_of(model: str, changes: Mapping[str, Any] | None = None) -> Any:
    """The published settings of a model with ``changes`` (dotted names reach into nested
    settings)."""
    registered = entry(model)
    return settings_module.replace(
        getattr(import_module(registered.module), registered.settings), changes or {}
    )


def builder(model: str):
    """``build(settings, sizes)`` of a model."""
    registered = entry(model)
    return getattr(import_module(registered.module), registered.build)


def capabilities(model: str, settings: Any) -> Capabilities:
    """What a model needs with these settings."""
    return builder(model).capabilities(settings)


def without(store: Any, model: str, settings: Any) -> str:
    """The features or labels that a model with these settings needs and a ``data.store.Store``
    lacks, in words; "" if it lacks none."""
    able = capabilities(model, settings)
    if lost := [name for name in store.lacks if name in able.reads]:
        return f"no {' and no '.join(lost)} features"
    if lost := [task for task in able.tasks if task not in store.tasks]:
        return f"no labels of {', '.join(lost)}"
    if (able.tokens or able.text_encoder) and not store.has_tokens:
        return "no tokens of the text"
    return ""
