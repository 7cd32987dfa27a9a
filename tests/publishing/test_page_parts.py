"""The parts at the top and at the end of a notebook's page."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from avmc_core.publishing.page_parts import AT_ONCE, duration, in_one_sentence, opening


def runs(*seconds: float) -> dict:
    return {
        number: SimpleNamespace(key=f"k{number}", seconds=value)
        for number, value in enumerate(seconds)
    }


@pytest.mark.parametrize(
    "seconds, said",
    [
        ((3, 4), "less than a minute"),
        ((70,), "about 1 minute of"),
        ((600, 700), "about 20 minutes"),
    ],
)
def test_the_time_is_that_of_the_runs(seconds, said):
    assert said in duration(runs(*seconds))
    assert duration(None) == AT_ONCE


def test_a_run_that_two_experiments_name_is_counted_once():
    same = SimpleNamespace(key="k", seconds=1200.0)
    text = opening("what it is", "made-up clips", {1: same, 2: same}, "patience").data
    assert "made-up clips; 1 run trained on it; patience." in text and "20 minutes" in text


def test_the_message_of_a_page_is_marked():
    assert in_one_sentence("It works.").data == "**In one sentence:** It works."
