"""Every mended difference changes what it should: each test runs the reference's behaviour as well,
and shows that it fails."""

from __future__ import annotations

from dataclasses import replace

import golden_files as gf
import golden_recurrent
import numpy as np
import pytest
import torch
from baseline_cases import AVERAGED, CAPS, LENGTHS, MODELS, batch, build
from torch.nn.functional import adaptive_avg_pool1d

from avmc_core import schema
from avmc_core.errors import InputError
from avmc_core.models import alignment

PADDING = [  # model, number, other numbers mended beside it, modalities that are padded further
    *((name, "D20", (), ("audio", "vision")) for name in (*AVERAGED, "MFN")),
    *((name, "D32", (), ("text",)) for name in (*AVERAGED, "MFN")),
    ("MFN", "D21", (), ("audio", "vision")),
    ("Graph_MFN", "D33", (), ("audio", "vision")),
    ("Graph_MFN", "D32", ("D33",), ("text",)),
    ("MulT", "D25", (), schema.MODALITIES),
]


def predict(name, mended=(), caps=CAPS, **clips):
    model = build(name, mended, caps)
    with torch.no_grad():
        return model(batch(model, caps, **clips))["M"]


def difference(first, second):
    return float((first - second).abs().max())


@pytest.mark.parametrize(("name", "number", "beside", "modalities"), PADDING)
def test_padding_changes_nothing(name, number, beside, modalities):
    more = CAPS | {m: CAPS[m] + 20 for m in modalities}
    as_run = difference(predict(name, beside), predict(name, beside, more))
    mended = difference(predict(name, (number, *beside)), predict(name, (number, *beside), more))
    assert mended < 1e-6 and as_run > 1e-4


@pytest.mark.parametrize(
    ("name", "mended"), [*((n, ("D20", "D32")) for n in (*AVERAGED, "MFN")), ("MulT", ("D25",))]
)
def test_mended_is_the_reference_on_a_clip_without_padding(name, mended):
    """A batch of different lengths in the mended network equals each clip alone, without padding,
    in the network as run."""
    alone = [
        predict(
            name, caps={m: LENGTHS[m][row] for m in schema.MODALITIES}, rows=slice(row, row + 1)
        )
        for row in range(len(LENGTHS["text"]))
    ]
    torch.testing.assert_close(predict(name, mended), torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert difference(predict(name), torch.cat(alone)) > 1e-4


@pytest.mark.parametrize("modality", ["audio", "vision"])
def test_the_order_of_frames_matters_to_mfn(modality):
    """D21: an average does not know the order of what it averages."""
    for mended, expected in (((), False), (("D21",), True)):
        change = difference(predict("MFN", mended), predict("MFN", mended, backwards=(modality,)))
        assert (change > 1e-4) == expected


def step(name, mended):
    """One training step; returns the parameters by name before and after it."""
    model = build(name, mended).train()
    (optimizer,) = model.optimizers()
    old = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.loss(batch(model), "train")["total"].backward()
    optimizer.step()
    return model, old, dict(model.named_parameters())


def test_gradients_reach_every_graph_node():
    """D22. tests/models/test_golden.py compares them with the reference's own gradients. As run,
    the nodes take part in the forward pass without being trained."""
    nodes = [f"graph.nodes.{n}." for n in ("text_audio", "text_vision", "audio_vision", "all")]
    for mended in ((), ("D22",)):
        model, old, new = step("Graph_MFN", mended)
        frozen = [n for n in new if n.startswith(tuple(nodes))]
        assert len(frozen) == 16 and set(frozen) < set(model.state_dict())
        for name in frozen:
            assert torch.equal(old[name], new[name]) == (not mended)
            assert (new[name].grad is None) == (not mended)
    golden = gf.read("Graph_MFN")
    as_run, rules, clips, _ = golden_recurrent.graph_mfn(golden, mended=())
    gf.load(as_run, golden, rules)
    gf.check(as_run(clips), golden.group("output"))


def test_graph_nodes_start_alike():
    """Their second maps are copies of one draw; their first ones are drawn separately."""
    nodes = list(build("Graph_MFN").graph.nodes.values())
    assert all(torch.equal(node[1].weight, nodes[0][1].weight) for node in nodes)
    assert not torch.equal(nodes[0][0].weight[0, :80], nodes[1][0].weight[0, :80])


@pytest.mark.parametrize("name", ["LMF", "MLMF"])
def test_fusion_weights_are_trained(name):
    """D23: as run, they are not."""
    for mended in ((), ("D23",)):
        _, old, new = step(name, mended)
        for part in ("weight", "bias"):
            assert torch.equal(old[f"fusion.combine.{part}"], new[f"fusion.combine.{part}"]) == (
                not mended
            )


@pytest.mark.parametrize("name", ["TFN", "MTFN"])
def test_output_is_linear(name):
    """D26: as run, M saturates at 3 whatever the last layer gives."""
    found = []
    for mended in ((), ("D26",)):
        model = build(name, mended)
        model.fusion.layer_3.bias.data += 100
        with torch.no_grad():
            found.append(model(batch(model))["M"])
    assert (found[0] <= 3).all()
    torch.testing.assert_close(found[0], 6 * torch.sigmoid(found[1]) - 3)
    assert (found[1] > 50).all()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("everything", [False, True])
def test_a_step_moves_all_that_is_trained(name, everything):
    """No parameter in an optimiser is without a gradient, as run or with all differences mended."""
    model, old, new = step(name, MODELS[name][1].MENDABLE if everything else ())
    (optimizer,) = model.optimizers()
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for parameter_name, parameter in new.items():
        if id(parameter) in trained:
            assert parameter.grad is not None and parameter.isfinite().all(), parameter_name
    if everything:
        assert len(trained) == len(old)


@pytest.mark.parametrize("name", MODELS)
def test_numbers_that_do_not_apply_are_errors(name):
    _, module = MODELS[name]
    for number in {"D20", "D22", "D26", "D29", "D99"} - set(module.MENDABLE):
        with pytest.raises(
            InputError, match=f"mended: found '{number}'; expected any of {module.MENDABLE[0]}"
        ):
            replace(module.SETTINGS, mended=(number,))


def test_mlmf_text_head_gets_no_gradient_and_shrinks():
    """D36: the weight of its text task is 0. D39: weight decay changes the head nevertheless."""
    model, old, new = step("MLMF", ())
    heads = [name for name in new if name.startswith("heads.T.") and name.endswith("weight")]
    assert model.settings.weights.T == 0.0 and heads
    for name in heads:
        assert not new[name].grad.any() and new[name].detach().norm() < old[name].norm(), name


def test_pooling_against_the_reference():
    golden = gf.read("MFN")
    for name in ("audio", "vision"):
        steps = golden["input.text"].shape[1]
        torch.testing.assert_close(
            alignment.pool(golden[f"input.{name}"], steps), golden[f"input.{name}_aligned"]
        )


@pytest.mark.parametrize(
    ("length", "chunk", "copies"),
    [(925, 19, 25), (232, 5, 18), (100, 2, 0), (50, 1, 0), (1, 1, 49)],
)
def test_pooling_against_a_loop(length, chunk, copies):
    """Chunk sizes and copies of the last step at the released lengths."""
    x = np.random.default_rng(0).normal(size=(2, length, 3))
    longer = np.concatenate([x, *[x[:, -1:]] * copies], 1)
    expected = np.stack([longer[:, k * chunk : (k + 1) * chunk].mean(1) for k in range(50)], 1)
    np.testing.assert_allclose(
        alignment.pool(torch.from_numpy(x), 50).numpy(), expected, rtol=1e-12
    )


def test_spreading_against_adaptive_pooling():
    """For each clip the valid frames are pooled as by PyTorch's adaptive pooling; zeros follow the
    last chunk."""
    torch.manual_seed(0)
    x = torch.randn(4, 30, 3)
    lengths = torch.tensor([30, 7, 1, 18])
    counts = torch.tensor([5, 8, 3, 1])
    found = alignment.spread(x, lengths, counts, 8)
    for row, (length, count) in enumerate(zip(lengths.tolist(), counts.tolist(), strict=True)):
        expected = adaptive_avg_pool1d(x[row : row + 1, :length].mT, count)[0].T
        torch.testing.assert_close(found[row, :count], expected, rtol=1e-5, atol=1e-6)
        assert not found[row, count:].any()
