"""How many seeds a row has: as declared, as $AVMC_SEEDS says, and sixteen on a GPU."""

from __future__ import annotations

import pytest

from avmc_core.errors import InputError
from avmc_core.runs import declaration
from avmc_core.runs.experiments import EXPERIMENTS


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch):
    monkeypatch.delenv("AVMC_SEEDS", raising=False)
    monkeypatch.setattr(declaration, "default_device", lambda: "cpu")


def numbers(profile):
    """Seeds of each seeded row of an experiment, by name of the experiment."""
    plans = {name: EXPERIMENTS[name] for name in ("table4", "mended")}
    return {name: len({run.seed for run in plan.runs(profile)}) for name, plan in plans.items()}


def test_as_declared():
    assert numbers("ci") == {"table4": 3, "mended": 1}
    assert numbers("full") == {"table4": 5, "mended": 5}


def test_sixteen_on_a_gpu(monkeypatch):
    monkeypatch.setattr(declaration, "default_device", lambda: "cuda")
    assert numbers("full") == {"table4": 16, "mended": 16}
    assert numbers("ci") == {"table4": 3, "mended": 1}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_number_that_is_asked_for(device, monkeypatch):
    """The first ones of the longer list, so that more seeds keep the runs that are there."""
    monkeypatch.setattr(declaration, "default_device", lambda: device)
    monkeypatch.setenv("AVMC_SEEDS", "7")
    assert numbers("ci") == numbers("full") == {"table4": 7, "mended": 7}
    seeds = EXPERIMENTS["table4"].default_seeds("full")
    monkeypatch.setenv("AVMC_SEEDS", "5")
    assert seeds[:5] == EXPERIMENTS["table4"].default_seeds("full") == declaration.SEEDS


def test_an_unknown_profile_is_refused_also_with_seeds():
    """Once it was a KeyError where seeds were given."""
    for ask in (
        lambda: EXPERIMENTS["table4"].runs("nope"),
        lambda: EXPERIMENTS["table4"].runs("nope", (1,)),
        lambda: EXPERIMENTS["table4"].left_out(None, "nope"),
    ):
        with pytest.raises(InputError, match=r"profile.*'nope'.*ci, full"):
            ask()


@pytest.mark.parametrize("number", ["0", "-1", "five", "2.5", " "])
def test_what_is_no_number_of_seeds_is_refused(number, monkeypatch):
    monkeypatch.setenv("AVMC_SEEDS", number)
    with pytest.raises(InputError, match=r"AVMC_SEEDS.*from 1 on"):
        EXPERIMENTS["table4"].runs("ci")
