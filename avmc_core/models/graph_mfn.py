"""Graph_MFN: three LSTMs, a graph that fuses their states with learnt edge weights (efficacies),
and a gated memory (Zadeh et al., ACL 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from avmc_core import schema
from avmc_core.batch import Batch, Inputs
from avmc_core.kernels.lstm import LSTM
from avmc_core.models import alignment, fixes
from avmc_core.models.base import Model, Sizes, Training, adam
from avmc_core.models.gated_memory import MLP, GatedMemory, Layer, before, steps_read

MENDABLE = ("D22", "D32", "D33")

# Each node and what it reads, one efficacy per edge, in the order of the efficacies: 2 + 2 + 2 + 6
# + 7 = 19.
NODES = {
    "text_audio": ("text", "audio"),
    "text_vision": ("text", "vision"),
    "audio_vision": ("audio", "vision"),
    "all": ("text", "audio", "vision", "text_audio", "text_vision", "audio_vision"),
    "output": ("text", "audio", "vision", "text_audio", "text_vision", "audio_vision", "all"),
}
EDGES = sum(map(len, NODES.values()))
INNER = 100  # width inside nodes and efficacies, fixed in the reference


@dataclass(frozen=True)
class GraphMFNSettings:
    """The reference's values for this dataset (MMSA, config_regression.json, graph_mfn)."""

    text_hidden: int = 64
    audio_hidden: int = 16
    vision_hidden: int = 64
    memory: int = 400
    node: int = 32  # inner_node_dim
    candidate: Layer = Layer(32, 0.7)  # NNConfig
    keep: Layer = Layer(256, 0.5)  # gamma1Config
    write: Layer = Layer(256, 0.2)  # gamma2Config
    out: Layer = Layer(256, 0.2)  # outConfig
    lr: float = 2e-3  # Adam
    decay: float = 0.0
    mended: tuple[str, ...] = ()
    training: Training = Training(batch_size=32)

    def __post_init__(self):
        fixes.check_with_fixes(self, MENDABLE)


SETTINGS = GraphMFNSettings()


class FusionGraph(nn.Module):
    """Node inputs, modality to (B, T, h), to the output node (B, T, n) and the efficacies (B, T,
    19).

    Nothing in it is normalised or has an activation. All nodes' second maps start as copies of one
    draw, as in the reference. Unless ``trained``, only the output node and the efficacies learn
    (D22): the reference keeps the other four nodes out of its module, so that they stay at their
    random start and are missing from its checkpoints. Here they are parameters without gradient:
    never trained either, but part of the state.
    """

    def __init__(self, widths: dict[str, int], node: int, trained: bool):
        super().__init__()
        widths = widths | dict.fromkeys(NODES, node)
        self.nodes = nn.ModuleDict()
        for name, parents in NODES.items():
            self.nodes[name] = nn.Sequential(
                nn.Linear(sum(widths[p] for p in parents), INNER), nn.Linear(INNER, node)
            )
            self.nodes[name][1].load_state_dict(self.nodes["text_audio"][1].state_dict())
            self.nodes[name].requires_grad_(trained or name == "output")
        total = sum(widths[m] for m in schema.MODALITIES)
        self.efficacies = nn.Sequential(
            nn.Linear(total, INNER), nn.Linear(INNER, node), nn.Linear(node, EDGES)
        )

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        efficacies = self.efficacies(torch.cat(list(inputs.values()), -1))
        edges = iter(efficacies.split(1, -1))
        values = dict(inputs)
        for name, parents in NODES.items():
            values[name] = self.nodes[name](
                torch.cat([next(edges) * values[parent] for parent in parents], -1)
            )
        return values["output"], efficacies


class GraphMFN(Model):
    """As run, the padded sequences of audio and vision are pooled to the text's steps (D33).

    Mendable: D22, all nodes of the graph are trained; D32, states and memory are read after the
    last valid text step instead of after all padding; D33, the valid frames are spread over the
    clip's text steps (without it, D32 never reads the chunks after the last text step).
    """

    def __init__(self, settings: GraphMFNSettings, sizes: Sizes):
        super().__init__()
        s = self.settings = settings
        view = "frames" if "D33" in s.mended else "padded"
        self.inputs = Inputs(
            text="states" if "D32" in s.mended else "padded", audio=view, vision=view
        )
        self.text_steps = sizes.text_steps
        hidden = {m: getattr(s, f"{m}_hidden") for m in schema.MODALITIES}
        self.rnns = nn.ModuleDict(
            {m: LSTM(getattr(sizes, m), hidden[m]) for m in schema.MODALITIES}
        )
        self.transforms = nn.ModuleDict(
            {m: nn.Linear(2 * hidden[m], hidden[m]) for m in schema.MODALITIES}
        )
        self.graph = FusionGraph(hidden, s.node, "D22" in s.mended)
        self.candidate = MLP(s.node, s.candidate, s.memory)
        self.gated = GatedMemory(s.node, s.memory, s.keep, s.write)
        self.out = MLP(sum(hidden.values()) + s.memory, s.out, 1)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Also ``efficacies`` (B, T, 19) of every step."""
        lengths = steps_read(batch.text, batch.text_lengths, "D32" not in self.settings.mended)
        inputs, finals = {}, []
        for name, x in self.sequences(batch).items():
            states, final = self.rnns[name](x, lengths)  # (B, T, h), (B, h)
            inputs[name] = relu(self.transforms[name](torch.cat([before(states), states], -1)))
            finals.append(final)
        fused, efficacies = self.graph(inputs)  # (B, T, n)
        memory = self.gated(fused, torch.tanh(self.candidate(fused)), lengths)
        prediction = self.out(torch.cat([*finals, memory], -1)).squeeze(-1)
        return {"M": prediction, "efficacies": efficacies}

    def sequences(self, batch: Batch) -> dict[str, Tensor]:
        """Text, audio, vision, each (B, T, D) with T the text's steps."""
        sequences, steps = {"text": batch.text}, batch.text.shape[1]
        for name in ("audio", "vision"):
            x = getattr(batch, name)
            if "D33" in self.settings.mended:
                sequences[name] = alignment.spread(
                    x, getattr(batch, f"{name}_lengths"), batch.text_lengths, steps
                )
            else:
                sequences[name] = alignment.pool(x, self.text_steps)[:, :steps]
        return sequences

    def optimizers(self) -> list[torch.optim.Optimizer]:
        trained = [p for p in self.parameters() if p.requires_grad]
        return [
            adam({"params": trained, "lr": self.settings.lr, "weight_decay": self.settings.decay})
        ]
