"""AV-MC in all variants: invariances, masks, switches, and the limiting cases of mixup."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from avmc_core.batch import Batch
from avmc_core.errors import InputError
from avmc_core.mixup import Draw
from avmc_core.models import avmc_networks
from avmc_core.models.avmc import SEMI, SUPERVISED
from avmc_core.models.base import Sizes
from avmc_core.settings import replace as change

SIZES = Sizes(text=12, audio=5, vision=11)
VARIANTS = {
    "released supervised": SUPERVISED,
    "released semi": SEMI,
    "paper supervised": replace(SUPERVISED, variant="paper"),
    "paper semi": replace(SEMI, variant="paper"),
}
READ_FRAMES = [name for name in VARIANTS if name != "released supervised"]


def make(settings, clips=6, seed=0):
    """A model in evaluation mode and a batch with the views that it reads; the last two clips are
    unlabelled."""
    torch.manual_seed(seed)
    model = avmc_networks.build(settings, SIZES).eval()
    views = {}
    for name, steps in (("audio", 13), ("vision", 9)):
        frames = getattr(model.inputs, name) == "frames"
        views[name] = torch.randn(clips, *([steps] if frames else []), getattr(SIZES, name))
        views[f"{name}_lengths"] = torch.randint(1, steps + 1, (clips,))
    labels = torch.rand(clips, 4) * 2 - 1
    mask = torch.arange(clips) < clips - 2
    labels[~mask] = torch.nan
    batch = Batch(
        text=torch.randn(clips, SIZES.text),
        text_lengths=torch.full((clips,), 7),
        labels=labels,
        mask=mask,
        index=torch.arange(clips),
        tokens=torch.zeros(clips, 3, 50, dtype=torch.int64),
        **views,
    )
    return model, batch


def take(batch: Batch, rows) -> Batch:
    return Batch(**{name: value[rows] for name, value in vars(batch).items()})


@pytest.fixture(params=VARIANTS)
def settings(request):
    return VARIANTS[request.param]


def test_batch_order_does_not_matter(settings):
    model, batch = make(settings)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    output, moved = model(batch), model(take(batch, order))
    for task in "MTAV":
        torch.testing.assert_close(moved[task], output[task][order])


@pytest.mark.parametrize("name", READ_FRAMES)
def test_padding_does_not_matter(name):
    """Longer padding, filled with random values, changes no prediction. (The fourth variant reads
    averages: see test_batches.)"""
    model, batch = make(VARIANTS[name])
    changes = {}
    for name in ("audio", "vision"):
        x, lengths = getattr(batch, name), getattr(batch, f"{name}_lengths")
        longer = torch.cat([x, torch.zeros(len(x), 4, x.shape[2])], 1)
        longer[torch.arange(longer.shape[1]) >= lengths[:, None]] = 99.0
        changes[name] = longer
    output, padded = model(batch), model(replace(batch, **changes))
    for task in "MTAV":
        torch.testing.assert_close(padded[task], output[task])


def test_unlabelled_clips_enter_no_regression(settings):
    model, batch = make(settings)
    labelled = take(batch, batch.mask.nonzero()[:, 0])
    whole, part = (model.loss(clips, "regression")["regression"] for clips in (batch, labelled))
    torch.testing.assert_close(whole, part)


def test_lambda_one_mixes_nothing(settings):
    """With lambda = 1 each mixture is the clip itself, so that nothing is inconsistent (or, in the
    released supervised variant, the loss is the plain one again)."""
    model, batch = make(settings)
    batch = take(batch, batch.mask.nonzero()[:, 0])
    partner = torch.tensor([2, 3, 1, 0])
    draws = {m: Draw(partner, torch.ones(1)) for m in ("audio", "vision")}
    losses = model.loss(batch, "mixup", draws)
    expected = losses["regression"] if "mix_audio" in losses else torch.zeros(())
    for name, value in losses.items():
        if name.startswith(("mix", "consistency")):
            torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("name", READ_FRAMES)
def test_mixture_is_symmetric(name):
    """Swapping the two clips together with their weights gives the same mixture and the same
    consistency loss."""
    model, batch = make(VARIANTS[name])
    batch = take(batch, batch.mask.nonzero()[:, 0])
    partner = torch.tensor([1, 0, 3, 2])
    swapped = {m: Draw(partner, torch.tensor([0.7])) for m in ("audio", "vision")}
    straight = {m: Draw(partner, torch.tensor([0.3])) for m in ("audio", "vision")}
    for name, value in model.loss(batch, "mixup", straight).items():
        torch.testing.assert_close(model.loss(batch, "mixup", swapped)[name], value)


def test_switches_of_the_ablation(settings):
    """Each row of Table 4 removes exactly its own losses, and without unimodal tasks only M is
    learnt."""
    for changes, gone in (
        ({"mix_audio": False}, "audio"),
        ({"mix_vision": False}, "vision"),
        ({"unimodal_tasks": False}, ""),
    ):
        model, batch = make(change(settings, changes))
        names = [
            name for name in model.loss(batch, "mixup") if name.startswith(("mix", "consistency"))
        ]
        assert len(names) == (1 if gone else 0) and not any(gone and gone in name for name in names)
    model.loss(batch, "mixup")["total"].backward()
    last = model.heads["audio"].layer_3.weight.grad
    assert last is None or not last.any()


def test_detached_targets_change_gradients_only():
    """D08: the losses stay the same."""
    plain, batch = make(SEMI)
    detached, _ = make(change(SEMI, {"mixup.detach_targets": True}))
    draws = {
        m: Draw(torch.tensor([2, 3, 1, 0, 5, 4]), torch.tensor([0.6])) for m in ("audio", "vision")
    }
    losses = [model.loss(batch, "mixup", draws)["total"] for model in (plain, detached)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    gradients = [model.heads["audio"].layer_3.bias.grad for model in (plain, detached)]
    assert not torch.allclose(*gradients)


def test_batch_without_labels():
    """D18: the released code drops the consistency loss of such a batch, and the paper does not."""
    # no clip meets itself
    swapped = {m: Draw(torch.tensor([1, 0]), torch.tensor([0.6])) for m in ("audio", "vision")}
    for settings, zero in ((SEMI, True), (replace(SEMI, variant="paper"), False)):
        model, batch = make(settings)
        fields = vars(take(batch, torch.tensor([4, 5]))).items()
        doubles = Batch(**{name: x.double() if x.is_floating_point() else x for name, x in fields})
        total = model.double().loss(doubles, "mixup", swapped)["total"].item()
        # rounding leaves about 1e-16, the network's nonlinearity about 1e-6
        assert (total == 0.0) if zero else total > 1e-9


def test_how_the_variants_differ(settings):
    """D03: only the printed heads have a batch norm. D05: the released M is squashed, onto (-1, 1)
    supervised and (-3, 3) semi-supervised; the printed one is not (D30). D06: the released text
    layer has no activation, the printed one has."""
    model, batch = make(settings)
    printed = settings.variant == "paper"
    norms = [m for m in model.heads.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    assert bool(norms) is printed
    there, back, nothing = (
        model.text_encoder(x) for x in (batch.text, -batch.text, 0 * batch.text)
    )
    assert torch.allclose(there + back, 2 * nothing, atol=1e-5) is not printed
    last = [
        p for name, p in model.named_parameters() if "layer_3" in name and name.endswith("weight")
    ]
    with torch.no_grad():
        for weight in last:
            weight *= 1e4
        largest = model(batch)["M"].abs().max().item()
    assert (
        largest > 3
        if printed
        else largest == pytest.approx(3.0 if settings.semi else 1.0, abs=1e-3)
    )


def test_weights_of_the_consistency_losses(settings):
    """D09: the task's own weight, unless one is given."""
    own = {"audio": ("A", settings.weights.A), "vision": ("V", settings.weights.V)}
    assert make(settings)[0].mixed_modalities == own
    given = make(change(settings, {"mix_weight_audio": 0.3}))[0].mixed_modalities
    assert given == own | {"audio": ("A", 0.3)}


def test_what_an_epoch_is(settings):
    """D10: two passes with unlabelled clips, one without (D50); eight epochs of patience and no
    limit."""
    passes = [(single.split, single.stage) for single in make(settings)[0].passes(1)]
    both = [("train_mix", "mixup"), ("train", "regression")]
    assert passes == (both if settings.semi else [("train", "mixup")])
    assert (settings.training.patience, settings.training.max_epochs) == (8, 0)


def test_every_parameter_learns(settings):
    model, batch = make(settings)
    model.loss(batch, "mixup")["total"].backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_unknown_settings_are_errors():
    with pytest.raises(InputError, match="variant"):
        make(change(SUPERVISED, {"variant": "best"}))
    with pytest.raises(InputError, match="unknown setting 'drop_out'"):
        change(SUPERVISED, {"drop_out": 0.2})
    with pytest.raises(InputError, match=r"weights|unknown setting"):
        change(SUPERVISED, {"weights.X": 0.2})


@pytest.mark.parametrize("name", READ_FRAMES)
def test_what_is_mixed(name):
    """D31: each level is compared with the same mixture computed by hand, in evaluation mode;
    except for mixed inputs, a mixture with lambda = 1 is consistent."""
    torch.manual_seed(1)
    draws = {m: Draw(torch.randperm(6), torch.tensor([0.3])) for m in ("audio", "vision")}
    for level in ("input", "representation", "hidden"):
        model, batch = make(change(VARIANTS[name], {"mixup.level": level}))
        output, losses = model(batch), {}
        for m, task in (("audio", "A"), ("vision", "V")):
            encoder, head, mix = getattr(model, f"{m}_encoder"), model.heads[m], draws[m].mix
            if level == "input":
                longer = torch.maximum(
                    getattr(batch, f"{m}_lengths"), getattr(batch, f"{m}_lengths")[draws[m].partner]
                )
                found = model.classify(m, encoder(mix(getattr(batch, m)), longer))
            elif level == "representation":
                found = model.classify(m, mix(output[f"Feature_{m[0]}"]))
            else:
                norm = getattr(head, "norm", torch.nn.Identity())
                first = mix(head.layer_1(norm(output[f"Feature_{m[0]}"])).relu())
                found = head.layer_3(head.layer_2(first).relu())[:, 0]
            losses[m] = (found - mix(output[task])).abs().mean()
        torch.testing.assert_close(model.consistency(batch, output, draws), losses)
        same = {m: Draw(draw.partner, torch.ones(1)) for m, draw in draws.items()}
        if level != "input":  # the longer clip's steps are read
            assert all(value < 1e-6 for value in model.consistency(batch, output, same).values())


def test_unknown_values_are_errors():
    for key, value in (("variant", "printed"), ("text", "finetune"), ("mixup.level", "output")):
        with pytest.raises(InputError, match=key.split(".")[-1]):
            avmc_networks.build(change(SUPERVISED, {key: value}), SIZES)
    with pytest.raises(InputError, match="released network mixes inputs"):
        avmc_networks.build(change(SUPERVISED, {"mixup.level": "hidden"}), SIZES)
