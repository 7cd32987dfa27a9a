"""Options of the reference's configurations besides the published values: each agrees with a plain
restatement of its definition, and with a recorded training in which it changes nothing."""

from __future__ import annotations

from dataclasses import replace

import golden_files as gf
import pytest
import torch
from golden_settings import with_sizes
from golden_training import recorded, replay
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence

from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.models import misa, mmim
from avmc_core.models.base import Sizes
from avmc_core.models.self_mm import GeneratedLabels

SIZES = Sizes(text=12, audio=5, vision=7)
SMALL = {
    **{"d_ah": 3, "d_vh": 4, "d_aout": 8, "d_vout": 8, "d_prjh": 6, "mmilb_mid_activation": "Tanh"},
    **{"cpc_activation": "ReLU", "mem_size": 2, "alpha": 0.3, "beta": 0.2},
}


def clips(rows: int = 9) -> Batch:
    torch.manual_seed(3)
    audio, vision = torch.randn(rows, 6, 5), torch.randn(rows, 8, 7)
    batch = Batch.of(torch.randn(rows, 12), audio, vision, torch.rand(rows, 4) * 2 - 1)
    lengths = torch.randint(1, 7, (rows,)), torch.randint(1, 9, (rows,))
    return replace(batch, audio_lengths=lengths[0], vision_lengths=lengths[1])


@pytest.mark.parametrize("bidirectional", [True, False])
def test_mmims_encoder_reads_the_first_layer_of_the_references_stack(bidirectional):
    """The reference stacks two layers of torch.nn.LSTM and takes the first entries of the final
    states, which are those of the first layer."""
    batch, layers = clips(), 2 if bidirectional else 1
    settings = with_sizes(mmim.SETTINGS, SMALL | {"bidirectional": bidirectional})
    encoder = mmim.MMIM(settings, SIZES).audio_encoder
    theirs = nn.LSTM(5, 3, num_layers=layers, bidirectional=bidirectional, batch_first=True)
    theirs.load_state_dict(theirs.state_dict() | encoder.rnn.state_dict())
    packed = pack_padded_sequence(batch.audio, batch.audio_lengths, True, enforce_sorted=False)
    final = theirs(packed)[1][0]
    expected = torch.cat((final[0], final[1]), -1) if bidirectional else final[0]
    ours = encoder(batch.audio, batch.audio_lengths)
    torch.testing.assert_close(ours, encoder.linear(expected), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("third", [False, True])
def test_mmims_loss_with_a_third_bound_and_deeper_predictors(third, layers):
    """The loss of the second pass, written out, with a memory of two batches."""
    settings = with_sizes(mmim.SETTINGS, SMALL | {"add_va": third, "cpc_layers": layers})
    model = mmim.MMIM(settings, SIZES).double().eval()
    batch = clips(40)
    batch = replace(
        batch, **{name: getattr(batch, name).double() for name in ("text", "audio", "vision")}
    )
    model.begin_pass(None, 1)
    for _ in range(3):
        model.loss(batch, "main")
    found = model.loss(batch, "main")
    output, y = model(batch), batch.label("M")
    text, audio, vision, fusion = (output[f"Feature_{name}"] for name in "tavf")
    pairs = {"audio": (text, audio), "vision": (text, vision)}
    if third:
        pairs["audio_vision"] = (vision, audio)
    assert set(model.bounds) == set(pairs)
    likelihood, spread, nce = 0.0, 0.0, 0.0
    for name, (x, target) in pairs.items():
        bound = model.bounds[name]
        assert isinstance(bound.mean[1], nn.Tanh)
        error = -((bound.mean(x) - target) ** 2) / 2 / bound.log_variance(x).exp()
        likelihood = likelihood + error.sum(-1).mean()
        narrow = torch.tanh(bound.entropy_map(target))
        for rows in (narrow[y > 0], narrow[y < 0]):  # the memory holds the same batch twice
            spread = spread + 0.25 * torch.logdet(torch.cov(rows.T, correction=0))
    for name, x in (("text", text), ("audio", audio), ("vision", vision)):
        steps = model.predict[name] if layers > 1 else [model.predict[name]]
        assert sum(isinstance(step, nn.Linear) for step in steps) == layers
        assert sum(isinstance(step, nn.ReLU) for step in steps) == (layers > 1)
        guess = fusion
        for step in steps:
            guess = step(guess)
        scores = torch.nn.functional.cosine_similarity(x[:, None], guess[None], dim=-1)
        nce = nce + (scores.logsumexp(1) - scores.diagonal()).mean()
    total = (output["M"] - y).abs().mean() + 0.3 * nce - 0.2 * likelihood - 0.2 * spread
    torch.testing.assert_close(found["total"], total)


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.weight * gradient, None


def test_misas_adversary_learns_while_what_it_reads_unlearns():
    """Cross-entropy with the classes text 0, vision 1 and audio 2; its gradient to the shared parts
    is reversed and weighted."""
    config = {"hidden_size": 8, "use_cmd_sim": False, "reverse_grad_weight": 0.4}
    model = misa.MISA(with_sizes(misa.SETTINGS, config), SIZES).double().eval()
    torch.manual_seed(0)
    shared = {m: torch.randn(5, 8).double().requires_grad_() for m in ("text", "audio", "vision")}
    found = model._similarity(shared)
    ours = torch.autograd.grad(found, [*shared.values(), model.adversary_1.weight])
    scores = torch.cat(
        [
            model.adversary_2(model.adversary_1(Reversed.apply(shared[m], 0.4)).relu())
            for m in ("text", "vision", "audio")
        ]
    )
    expected = cross_entropy(scores, torch.tensor([0] * 5 + [1] * 5 + [2] * 5))
    theirs = torch.autograd.grad(expected, [*shared.values(), model.adversary_1.weight])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours, theirs)


def test_a_clip_labelled_0_counts_as_positive_only_where_it_is_not_excluded():
    features = torch.tensor([[1.0], [4.0], [7.0]])
    sources = ("fusion", "text", "audio", "vision")
    for exclude, expected in ((True, 1.0), (False, 2.5)):
        labels = GeneratedLabels(3, dict.fromkeys(sources, 1), 1, exclude)
        labels.first_seen(torch.arange(3), torch.tensor([0.5, 0.0, -0.5]))
        labels.update(torch.arange(3), dict.fromkeys(sources, features), 1)
        assert labels.centres_fusion.flatten().tolist() == [expected, 7.0]


def test_a_training_with_idle_upper_layers_is_replayed():
    """The recorded training of MMIM, with the second layers that the reference would have built and
    never trained."""
    golden = gf.read("MMIM", gf.GOLDEN / "training")
    tensors = dict(golden.tensors)
    for part in ("start", "end"):
        for encoder in ("acoustic_enc", "visual_enc"):
            for suffix in ("", "_reverse"):
                tensors[f"{part}.{encoder}.rnn.weight_ih_l1{suffix}"] = torch.ones(16, 8)
    golden = replace(golden, tensors=tensors, config={**golden.config, "n_layer": 2})
    assert replay(golden).differences(recorded(golden))["predictions"] < 1e-4


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        (mmim.SETTINGS, {"bound_activation": "Identity"}),
        (mmim.SETTINGS, {"predict_layers": 0}),
        (misa.SETTINGS, {"similarity": "none"}),
    ],
)
def test_what_is_not_offered_is_an_error(settings, changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        replace(settings, **changes)
