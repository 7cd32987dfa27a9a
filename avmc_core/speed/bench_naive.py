"""The same networks built from plain torch.nn parts, as the reference computes them: the baseline
of the benchmark.

``naive(model)`` exchanges the classes of a network's modules. Parameters and their names stay, so
that both ways can be given the same weights, and the tests hold both to the same golden files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import multi_head_attention_forward, relu
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from avmc_core import schema
from avmc_core.batch import Batch, on_host
from avmc_core.kernels.attention import additive_mask
from avmc_core.kernels.dense import BatchNorm, Linear
from avmc_core.kernels.dropout import Dropout
from avmc_core.kernels.lstm import LSTM, last_valid
from avmc_core.mixup import Draw
from avmc_core.models import avmc_semi, avmc_supervised, graph_mfn, mfn, mult, tfn


def naive(model: nn.Module) -> nn.Module:
    """Replaces, in place, every module that has a plain counterpart."""
    for module in model.modules():
        if type(module) in PLAIN:
            module.__class__ = PLAIN[type(module)]
    return model


class PackedLSTM(LSTM):
    """torch.nn.LSTM on a packed sequence."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        packed = pack_padded_sequence(x, on_host(lengths), batch_first=True, enforce_sorted=False)
        outputs, (final, _) = nn.LSTM.forward(self, packed)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
        return outputs, final.transpose(0, 1).flatten(1)


class PaddedStack(avmc_semi.ProjectedBiLSTM):
    """AV-MC's encoder on padded sequences."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        outputs, first = self.rnn_1(self.drop(self.linear(x)), lengths)  # (B, T, 2h), (B, 2h)
        _, second = self.rnn_2(self.norm(outputs), lengths)
        return torch.stack((first, second), 1).unflatten(2, (2, -1)).transpose(1, 2).flatten(1)


class ThreePasses(avmc_supervised.AVMCSupervised):
    """The released supervised AV-MC, the whole network once for each pass of mixup."""

    def loss(
        self, batch: Batch, stage: str, draws: dict[str, Draw] | None = None
    ) -> dict[str, Tensor]:
        parts = {"regression": self.regression(self(batch), batch.labels, batch.mask)}
        draws = draws or self.draws(len(batch), batch.mask.device)
        for modality, (task, _) in self.mixed_modalities.items():
            draw = draws[modality]
            output = self(replace(batch, **{modality: draw.mix(getattr(batch, modality))}))
            partners = batch.labels.clone()
            columns = [schema.TASKS.index("M"), schema.TASKS.index(task)]
            partners[:, columns] = batch.labels[draw.partner][:, columns]
            own = self.regression(output, batch.labels, batch.mask, draw.lam)
            parts[f"mix_{modality}"] = own + self.regression(
                output, partners, batch.mask, 1 - draw.lam
            )
        return {"total": sum(parts.values()), **parts}


class WholeProduct(tfn.TensorFusion):
    """TFN's outer product as one tensor (B, (a + 1)(v + 1)(t + 1)), then dropout and the MLP."""

    def forward(self, audio: Tensor, vision: Tensor, text: Tensor) -> dict[str, Tensor]:
        a, v, t = (tfn.with_one(x) for x in (audio, vision, text))
        product = torch.einsum("bi,bj,bk->bijk", a, v, t).flatten(1)
        hidden = relu(self.layer_2(relu(self.layer_1(self.drop(product)))))
        prediction = self.layer_3(hidden).squeeze(-1)
        return {
            "M": 6 * torch.sigmoid(prediction) - 3 if self.squash else prediction,
            "Feature_f": product,
        }


class TorchAttention(mult.Attention):
    """What torch.nn.MultiheadAttention computes, attention weights included, as the reference asks
    it to."""

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        mixed, _ = multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (queries, keys, values)),
            queries.shape[-1],
            self.heads,
            self.project.weight,
            self.project.bias,
            None,
            None,
            False,
            self.dropout,
            self.out.weight,
            self.out.bias,
            training=self.training,
            attn_mask=additive_mask(seen, keys.shape[1])[0, 0],
        )
        return mixed.transpose(0, 1)


class WholeEncoder(mult.Encoder):
    """Every step of the last layer, although one is read."""

    def own(self, x: Tensor, lengths: Tensor, seen: Tensor) -> Tensor:
        x = self.drop(self.scale * x)
        for layer in self.layers:
            x = layer(x, x, x, seen)
        return last_valid(self.norm(x), lengths.expand(len(x)))


def cell_states(rnns: Mapping[str, nn.LSTM], sequences: Mapping[str, Tensor], steps: int):
    """Yields, step by step, the hidden and cell states of all LSTMs, modality to (h, c), starting
    from zeros."""
    some = next(iter(sequences.values()))
    states = {name: (some.new_zeros(len(some), rnn.hidden_size),) * 2 for name, rnn in rnns.items()}
    yield states
    for step in range(steps):
        states = {
            name: torch.lstm_cell(sequences[name][:, step], states[name], *rnn._flat_weights)
            for name, rnn in rnns.items()
        }
        yield states


def gate(mlp: nn.Module, g: Tensor, u: Tensor) -> Tensor:
    """A gate of MFN: the MLP on g (B, a) and the memory u (B, m) side by side, (B, m) in 0..1."""
    return torch.sigmoid(mlp(torch.cat([g, u], -1)))


class StepwiseMFN(mfn.MFN):
    """MFN with all of its work inside the loop over steps. It is the network as the reference
    runs it (D20, D21, D32), where every clip has the same number of steps."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        steps = batch.text.shape[1]
        sequences = {name: x.expand(-1, steps, -1) for name, x in self.sequences(batch).items()}
        u, cells = batch.text.new_zeros(len(batch), self.gated.memory), None
        for states in cell_states(self.rnns, sequences, steps):
            before, cells = cells, torch.cat([c for _, c in states.values()], -1)
            if before is not None:
                window = torch.cat([before, cells], -1)
                attended = torch.softmax(self.attention(window), -1) * window
                candidate = torch.tanh(self.candidate(attended))
                u = (
                    gate(self.gated.keep, attended, u) * u
                    + gate(self.gated.write, attended, u) * candidate
                )
        final = torch.cat([*(h for h, _ in states.values()), u], -1)
        return {"M": self.out(final).squeeze(-1), "L": final}


class StepwiseGraphMFN(graph_mfn.GraphMFN):
    """Everything inside the loop over steps; as run (D32, D33)."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        u, before, efficacies = batch.text.new_zeros(len(batch), self.gated.memory), None, []
        for states in cell_states(self.rnns, self.sequences(batch), batch.text.shape[1]):
            hidden = {name: h for name, (h, _) in states.items()}
            if before is not None:
                inputs = {
                    m: relu(self.transforms[m](torch.cat([before[m], hidden[m]], -1)))
                    for m in hidden
                }
                fused, weights = self.graph(inputs)
                efficacies.append(weights)
                candidate = torch.tanh(self.candidate(fused))
                u = (
                    gate(self.gated.keep, fused, u) * u
                    + gate(self.gated.write, fused, u) * candidate
                )
            before = hidden
        prediction = self.out(torch.cat([*before.values(), u], -1)).squeeze(-1)
        return {"M": prediction, "efficacies": torch.stack(efficacies, 1)}


PLAIN: dict[type, type] = {
    LSTM: PackedLSTM,
    Dropout: nn.Dropout,
    Linear: nn.Linear,
    BatchNorm: nn.BatchNorm1d,
    avmc_supervised.AVMCSupervised: ThreePasses,
    avmc_semi.ProjectedBiLSTM: PaddedStack,
    tfn.TensorFusion: WholeProduct,
    mult.Attention: TorchAttention,
    mult.Encoder: WholeEncoder,
    mfn.MFN: StepwiseMFN,
    graph_mfn.GraphMFN: StepwiseGraphMFN,
}
