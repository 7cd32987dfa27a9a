"""Experiments declared once: the grid of runs, the notebooks and the book's pages all follow from
this table."""

from __future__ import annotations

from typing import Any

from avmc_core.data.splits import FOLDS, RESPLITS, SplitProtocol
from avmc_core.errors import InputError
from avmc_core.models.registry import MODELS
from avmc_core.runs.declaration import LAYERED, SEEDS, Experiment, Row
from avmc_core.schema import MODALITY_OF_TASK

ONE = (("ci", SEEDS[:1]), ("full", SEEDS))
VARIANTS = ("released", "paper")

# Table 4's rows, each what it takes away from AV-MC.
ABLATIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    # without unimodal heads nothing can be mixed
    "w/o Mixup-AV & Unimodal tasks": (("unimodal_tasks", False),),
    "w/o Mixup-AV": (("mix_audio", False), ("mix_vision", False)),
    "w/o Mixup-A": (("mix_audio", False),),
    "w/o Mixup-V": (("mix_vision", False),),
    "AV-MC": (),
}
# What the paper leaves open about its mixup, as changes to the printed equations with the released
# draw (D07, D08).
MIXUPS: dict[str, tuple[tuple[str, Any], ...]] = {
    "Beta(1, 1), one lambda per batch": (),
    "Beta(0.2, 0.2)": (("mixup.alpha", 0.2), ("mixup.beta", 0.2)),
    "Beta(4, 4)": (("mixup.alpha", 4.0), ("mixup.beta", 4.0)),
    "one lambda per clip": (("mixup.per_clip", True),),
    "detached targets": (("mixup.detach_targets", True),),
    "inputs mixed": (("mixup.level", "input"),),  # as Section 2.3 has it (D31)
    "classifier's first layer mixed": (("mixup.level", "hidden"),),
}
# The frozen text encoder in every step is slow on two cores: small batches make few epochs many
# steps, with and without it.
DROPOUT_CI = (("training.batch_size", 8), ("training.max_epochs", 4))
# How the loss that decides on early stopping is averaged. The default is the first; the last is the
# reference as it runs, and no model's published settings hold it, because a loss that depends on an
# order is not a property of the model (D11, D17).
VALIDATIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "mean over clips": (),
    "mean over batches": (("training.validation", "batches"),),
    "as run, mean over shuffled batches": (("training.validation", "shuffled_batches"),),
}
VALIDATED = ("AV-MC", "LMF", "MTFN", "Self_MM")  # those for which it is tried: quick to train
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the labelled training clips
FEW, ALL = 320, 2722  # training clips of the book's small corpus, and of the released data
# Why a model does not hear: how many clips it has to learn from, and on which scale. The released
# network begins with a batch norm and so has a scale of its own.
HEARING: dict[str, tuple[str, SplitProtocol]] = {
    f"{variant}, {clips:,} clips, {scale}": (
        variant,
        SplitProtocol(labelled=clips / ALL, standardised=scale == "standardised features"),
    )
    for variant, scale in (
        ("paper", "raw features"),
        ("paper", "standardised features"),
        ("released", "raw features"),
    )
    for clips in (FEW, ALL)
}

# The ci profile has 320 clips in place of 2722: smaller batches keep an epoch from being two or
# three steps, and the slow models stop early. Batches of 12 leave MulT, MISA and Self_MM a last
# incomplete group, as the real data do (D29). The models that can do without a BERT of their own
# read its stored states.
FROZEN = ("text", "frozen")
CI_LIMITS: dict[str, tuple[tuple[str, Any], ...]] = {
    "LF_DNN": (("training.batch_size", 16), ("training.max_epochs", 20)),
    "TFN": (("training.batch_size", 16), ("training.max_epochs", 2)),
    "LMF": (("training.batch_size", 16), ("training.max_epochs", 20)),
    "MFN": (("training.batch_size", 32), ("training.max_epochs", 4)),
    "Graph_MFN": (("training.max_epochs", 4),),
    "MulT": (("training.batch_size", 12), ("training.accumulate", 2), ("training.max_epochs", 2)),
    "Bert_MAG": (("training.max_epochs", 2),),
    "MISA": (FROZEN, ("training.batch_size", 12), ("training.max_epochs", 4)),
    "MMIM": (FROZEN, ("training.max_epochs", 20)),
    "Self_MM": (FROZEN, ("training.batch_size", 12), ("training.max_epochs", 20)),
    "MLF_DNN": (("training.batch_size", 16), ("training.max_epochs", 10)),
    "MTFN": (("training.batch_size", 16), ("training.max_epochs", 12)),
    "MLMF": (("training.batch_size", 16), ("training.max_epochs", 20)),
}
# The D numbers that each baseline can have put right; D29 is a setting of the trainer, not of the
# model.
MENDABLE: dict[str, tuple[str, ...]] = {
    "LF_DNN": ("D20", "D32"),
    "TFN": ("D20", "D32", "D26"),
    "LMF": ("D20", "D32", "D23"),
    "MFN": ("D20", "D21", "D32"),
    "Graph_MFN": ("D22", "D32", "D33"),
    "MulT": ("D25", "D29"),
    "Bert_MAG": ("D33",),
    "MISA": ("D24", "D27", "D29"),
    "MMIM": ("D27", "D38"),
    "Self_MM": ("D35", "D29"),
    "MLF_DNN": ("D20", "D32"),
    "MTFN": ("D20", "D32", "D26"),
    "MLMF": ("D20", "D32", "D23"),
}


def _baseline(model: str, mended: tuple[str, ...] = (), suffix: str = "") -> Row:
    """A baseline as it runs in the reference, or with some differences put right."""
    numbers = tuple(number for number in mended if number != "D29")
    changes = (("mended", numbers),) if numbers else ()
    if "D29" in mended:
        changes += (("training.drop_partial_group", False),)
    return Row(model + suffix, model, changes, published=model, ci=CI_LIMITS[model])


TRIVIAL = tuple(
    Row(name, name, seeded=False) for name in ("Constant", "Text-only ridge", "Late mean")
)

AVMC = tuple(
    Row(
        f"{model} ({variant})",
        model,
        (("variant", variant),) if variant == "paper" else (),
        published=model,
    )
    for model in ("AV-MC", "AV-MC(Semi)")
    for variant in VARIANTS
)
UNIMODAL = tuple(
    Row(
        f"{modality}, annotation {target}",
        "Unimodal LSTM",
        (("modality", modality), ("task", target)),
    )
    for task, modality in MODALITY_OF_TASK.items()
    for target in (task, "M")
)
WAV2VEC = tuple(
    Row(
        f"audio (wav2vec 2.0), annotation {target}",
        "Unimodal LSTM",
        (("modality", "audio"), ("task", target)),
        protocol=SplitProtocol(audio="audio_wav2vec"),
    )
    for target in ("A", "M")
)

PLACED = {row.model for row in (*TRIVIAL, *map(_baseline, MENDABLE), *AVMC, *UNIMODAL)} | {LAYERED}
# registered, and in no table of the paper
OWN = tuple(Row(model, model) for model in MODELS if model not in PLACED)

EXPERIMENTS: dict[str, Experiment] = {
    "avmc": Experiment(
        title="AV-MC, supervised and semi-supervised, as printed and as released",
        source="Table 2, last two rows",
        rows=(*TRIVIAL, *AVMC),
        corpora=("ci", "large"),
    ),
    "benchmark": Experiment(
        title="The thirteen baselines as the reference runs them, AV-MC, and three models that a "
        "table needs",
        source="Table 2",
        rows=(*TRIVIAL, *map(_baseline, MENDABLE), *AVMC, *OWN),
    ),
    "mended": Experiment(
        title="The baselines with every known difference put right",
        source="Table 2",
        rows=(
            *TRIVIAL[:1],
            *map(_baseline, MENDABLE),
            *(_baseline(model, numbers, " mended") for model, numbers in MENDABLE.items()),
        ),
        seeds=ONE,
    ),
    "differences": Experiment(
        title="The baselines with one known difference put right at a time",
        source="Table 2",
        rows=tuple(
            _baseline(model, (number,), f", {number} mended")
            for model, numbers in MENDABLE.items()
            for number in numbers
        ),
        seeds=ONE,
    ),
    "table3": Experiment(
        title="One modality at a time, on its own annotation and on the multimodal one",
        source="Table 3",
        rows=(*UNIMODAL, *WAV2VEC),
    ),
    "table4": Experiment(
        title="What each part of supervised AV-MC contributes, as printed and as released",
        source="Table 4",
        rows=tuple(
            Row(f"{name} ({variant})", "AV-MC", (("variant", variant), *changes), published=name)
            for variant in VARIANTS
            for name, changes in ABLATIONS.items()
        ),
        corpora=("large",),
    ),
    "hearing": Experiment(
        title="Why AV-MC does not hear on few clips, or on raw features",
        source="Figure 6",
        rows=tuple(
            Row(name, "AV-MC", (("variant", variant),), protocol=protocol)
            for name, (variant, protocol) in HEARING.items()
        ),
        corpora=("large",),
    ),
    "mixup": Experiment(
        title="What the paper leaves open about the mixup",
        source="Section 4.1",
        rows=tuple(
            Row(name, "AV-MC", (("variant", "paper"), *changes)) for name, changes in MIXUPS.items()
        ),
    ),
    "text_dropout": Experiment(
        title="Text features stored once, and drawn anew in every step by a frozen encoder with "
        "its dropout on",
        source="D16",
        rows=(
            Row("stored features", "AV-MC", ci=DROPOUT_CI),
            Row("encoder with dropout", "AV-MC", (("text", "frozen_dropout"),), ci=DROPOUT_CI),
        ),
    ),
    "validation": Experiment(
        title="The loss that decides on early stopping, as a mean over clips and as the reference "
        "averages it",
        source="D11 and D17",
        rows=tuple(
            Row(f"{model}, {way}", model, changes, ci=CI_LIMITS.get(model, ()))
            for model in VALIDATED
            for way, changes in VALIDATIONS.items()
        ),
    ),
    "learning_curve": Experiment(
        title="How many labelled clips it takes, with the unlabelled ones and without",
        source="Section 4.2",
        rows=tuple(
            Row(
                f"{model}, {100 * share:g} % of the labelled clips",
                model,
                protocol=SplitProtocol(labelled=share),
            )
            for model in ("AV-MC", "AV-MC(Semi)")
            for share in SHARES
        ),
    ),
    "resplit": Experiment(
        title="What clips of the same source video in training and test are worth",
        source="Section 5.1",
        rows=tuple(
            Row(
                f"{model}, {way}, fold {fold + 1}",
                model,
                (),
                seeded=seeded,
                protocol=SplitProtocol(resplit=way, fold=fold),
            )
            for model, seeded in (("Text-only ridge", False), ("Late mean", False), ("AV-MC", True))
            for way in RESPLITS[1:]
            for fold in range(FOLDS)
        ),
    ),
}


def experiment(name: str) -> Experiment:
    """The declared experiment of this name. Raises InputError where there is none."""
    if name not in EXPERIMENTS:
        raise InputError("experiment", repr(name), f"one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
