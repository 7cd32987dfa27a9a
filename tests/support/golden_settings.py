"""The reference's configuration names and ours: one table for all models, and the settings that a
golden file describes."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from avmc_core.models.base import Training, Weights
from avmc_core.models.gated_memory import Layer
from avmc_core.models.registry import settings_of
from avmc_core.settings import S, replace

# theirs to the name in the registry
MODELS = {
    "v1": "AV-MC",
    "v1_semi": "AV-MC(Semi)",
    "lf_dnn": "LF_DNN",
    "tfn": "TFN",
    "lmf": "LMF",
    "mfn": "MFN",
    "graph_mfn": "Graph_MFN",
    "mult": "MulT",
    "misa": "MISA",
    "mmim": "MMIM",
    "self_mm": "Self_MM",
    "mlf_dnn": "MLF_DNN",
    "mtfn": "MTFN",
    "mlmf": "MLMF",
}
# theirs to ours; a model's settings take those that they have a field for
FIELDS = {
    **{"text_out": "text_out", "audio_out": "audio_out", "video_out": "vision_out"},
    **{"d_aout": "audio_out", "d_vout": "vision_out", "d_prjh": "fusion"},
    **{"d_ah": "audio_hidden", "a_lstm_hidden_size": "audio_hidden"},
    **{"d_vh": "vision_hidden", "v_lstm_hidden_size": "vision_hidden"},
    **{"post_fusion_dim": "fusion_post", "post_fusion_out": "fusion_post"},
    **{
        f"post_{t}_dim": f"{o}_post"
        for t, o in {"text": "text", "audio": "audio", "video": "vision"}.items()
    },
    **{
        "rank": "rank",
        "hidden_size": "hidden",
        "memsize": "memory",
        "mem_size": "memory",
        "inner_node_dim": "node",
    },
    **{"nlevels": "layers", "attn_mask": "causal", "H": "label_bound"},
    **{
        f"conv1d_kernel_size_{t}": f"{o}_kernel"
        for t, o in {"l": "text", "a": "audio", "v": "vision"}.items()
    },
    **{"bidirectional": "bidirectional", "add_va": "audio_vision_bound"},
    **{"cpc_layers": "predict_layers", "cpc_activation": "predict_activation"},
    **{"mmilb_mid_activation": "bound_activation"},
    **{"reverse_grad_weight": "reversal", "excludeZero": "exclude_zero"},
    **{"diff_weight": "difference_weight", "sim_weight": "similarity_weight"},
    **{"recon_weight": "reconstruction_weight", "alpha": "contrast_weight", "beta": "bound_weight"},
    **{"learning_rate": "lr", "learning_rate_other": "lr", "lr_main": "lr"},
    **{"learning_rate_audio": "lr_audio", "learning_rate_video": "lr_vision"},
    **{"factor_lr": "lr_factors", "lr_mmilb": "lr_bound"},
    **{"weight_decay": "decay", "weight_decay_other": "decay", "weight_decay_main": "decay"},
    **{"weight_decay_mmilb": "decay_bound", "text_weight_decay": "decay_text"},
    **{"audio_weight_decay": "decay_audio", "weight_decay_audio": "decay_audio"},
    **{"video_weight_decay": "decay_vision", "weight_decay_video": "decay_vision"},
}
LAYERS = {
    "NN1Config": "attention",
    "NN2Config": "candidate",
    "NNConfig": "candidate",
    "gamma1Config": "keep",
    "gamma2Config": "write",
    "outConfig": "out",
}


def with_sizes(settings: S, config: dict[str, Any]) -> S:
    """The settings with everything that the reference's configuration says of the network and its
    optimiser."""
    fields = {FIELDS[name]: value for name, value in config.items() if name in FIELDS}
    if "hidden_dims" in config:
        fields |= dict(
            zip(
                ("text_hidden", "audio_hidden", "vision_hidden"), config["hidden_dims"], strict=True
            )
        )
    if "dst_feature_dim_nheads" in config:
        fields |= dict(zip(("width", "heads"), config["dst_feature_dim_nheads"], strict=True))
    fields |= {
        LAYERS[name]: Layer(c["shapes"], c["drop"]) for name, c in config.items() if name in LAYERS
    }
    if "task_weights" in config:
        fields["weights"] = Weights(**config["task_weights"])
    if "use_cmd_sim" in config:
        fields["similarity"] = "moments" if config["use_cmd_sim"] else "adversary"
    fields["text"] = "frozen"
    return replace(
        settings, {name: value for name, value in fields.items() if hasattr(settings, name)}
    )


def for_training(config: dict[str, Any]) -> tuple[str, Any]:
    """Model and settings of a golden training: no dropout, the reference's validation loss, all
    epochs.

    Accumulation and clipping are configured for some models that do not use them: a model uses
    those that its published settings use.
    """
    name = MODELS[config.get("model_name") or config["modelName"]]
    settings = without_dropout(with_sizes(settings_of(name), config))
    training = replace(
        settings.training, {"batch_size": config["batch_size"], "validation": "batches"}
    )
    training = replace(training, {"max_epochs": config["epochs"], "patience": config["epochs"]})
    for ours, theirs in {
        "accumulate": "update_epochs",
        "clip_value": "grad_clip",
        "clip_norm": "grad_clip",
    }.items():
        if getattr(training, ours) != getattr(Training(), ours):
            training = replace(training, {ours: config[theirs]})
    return name, replace(settings, {"training": training})


def without_dropout(settings: S) -> S:
    """All dropouts 0, nested ones included."""
    changes = {}
    for name, value in vars(settings).items():
        if "dropout" in name:
            changes[name] = 0.0
        elif is_dataclass(value):
            changes[name] = without_dropout(value)
    return replace(settings, changes)
