"""Cases obey their stated rule, are drawn by seed, and are never placeholder clips or clips of
train."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from avmc_core import schema
from avmc_core.analysis.cases import KINDS, Case, choose, errors, glosses, table
from avmc_core.drawing import case_figures
from avmc_core.errors import InputError
from avmc_core.simulated.corpus import ensure_corpus

matplotlib.use("agg")
RULES = {  # the signs of M, T, A, V that each kind may have, written out
    "all agree": [(1, 1, 1, 1), (-1, -1, -1, -1)],
    "neutral words": [(1, 0, 1, 1), (-1, 0, -1, -1)],
    "words against": [(1, -1, 1, 1), (-1, 1, -1, -1)],
    "voice against": [(1, 1, -1, 1), (-1, -1, 1, -1)],
    "face against": [(1, 1, 1, -1), (-1, -1, -1, 1)],
    "smile alone": [(1, -1, -1, 1)],
    "smile overruled": [(-1, -1, -1, 1)],
}


@pytest.fixture(scope="module")
def signed(tiny_store):
    """The tiny test split with labels that hold every kind, two clips of each, in videos of their
    own."""
    test = tiny_store.split("test")
    labels = test.labels.copy()
    rows = [signs for rules in RULES.values() for signs in (rules * 2)[:2]]
    labels[: len(rows)] = 0.6 * np.array(rows)
    labels[len(rows) :] = 0.2  # placeholders: all four equal
    videos = [*(f"v{k}" for k in range(len(rows))), *["copied"] * (len(test) - len(rows))]
    tasks = {task: labels[:, k] for k, task in enumerate(schema.TASKS)}
    return replace(test, labels=labels, clips=test.clips.assign(video_id=videos, **tasks))


def test_every_kind_obeys_its_rule_and_takes_no_placeholder(signed):
    cases = choose(signed)
    assert [case.kind.name for case in cases] == [*RULES]
    for case in cases:
        signs = {tuple(np.sign(signed.labels[row]).astype(int)) for row in case.clips}
        assert signs <= set(RULES[case.kind.name]) and case.row in case.clips
        assert "copied" not in set(signed.clips["video_id"].iloc[case.clips])


def test_the_seed_decides_and_nothing_else(signed):
    rows = [tuple(case.row for case in choose(signed, seed)) for seed in (0, 0, 1, 2, 3)]
    assert rows[0] == rows[1] and len(set(rows)) > 1


def test_a_kind_without_clips_is_said_to_have_none(signed):
    neutral = replace(signed, labels=np.zeros_like(signed.labels))
    cases = choose(neutral)
    assert all(case.row is None and not len(case.clips) for case in cases)
    assert errors(cases, neutral, {}) == {}
    assert (table(cases, neutral, {}, {})["clips of this kind"] == 0).all()


def test_the_error_of_a_kind_is_the_mean_over_its_clips(signed):
    runs = np.random.default_rng(0).uniform(-1, 1, (3, len(signed)))
    cases = choose(signed)
    for case in cases:
        expected = np.abs(runs[:, case.clips] - signed.labels[case.clips, 0]).mean()
        assert errors(cases, signed, {"x": runs})[case.kind.name]["x"].estimate == pytest.approx(
            expected
        )


@pytest.mark.parametrize("videos, said", [(1, "no interval"), (2, "too narrow"), (10, "")])
def test_clips_of_one_video_have_no_interval(signed, videos, said):
    """Seeds alone say nothing of other clips: an interval from them would be read as if they did.
    Of few videos it is there, and said to be too narrow."""
    labels, names = np.full_like(signed.labels, 0.6), np.arange(len(signed)) % videos
    labels[:, 1] = 0.4  # four equal labels would be placeholders
    alike = replace(
        signed, labels=labels, clips=signed.clips.assign(video_id=names.astype(str), T=0.4)
    )
    cases = [Case(KINDS[0], 0, np.arange(len(signed)))]
    runs = np.random.default_rng(0).uniform(-1, 1, (3, len(signed)))
    found = errors(cases, alike, {"x": runs})["all agree"]["x"]
    assert found.estimate == pytest.approx(np.abs(runs - 0.6).mean())
    assert bool(found.note) == bool(said) and found.note.startswith(said)
    assert np.isnan([found.low, found.high]).all() == (videos == 1)
    case_figures.errors({"all agree": {"x": found}}, {"all agree": len(signed)}).canvas.draw()


def test_errors_of_single_clips_are_cut_as_those_of_all(signed):
    """A network may go beyond the labels; the table and the mean of a kind of one clip must not
    disagree."""
    cases = [Case(KINDS[0], 0, np.arange(1))]
    beyond = {"M": np.full((2, len(signed)), 1.5)}
    shown = table(cases, signed, beyond, {}).iloc[0]
    assert shown["predicted M"] == "+1.00 [+1.00, +1.00]"
    mean = errors(cases, signed, beyond)["all agree"]["M"].estimate
    assert shown["error of M"] == f"{mean:.2f}" == f"{1 - signed.labels[0, 0]:.2f}"


def test_table_and_pictures_show_every_case(signed):
    predictions = {
        task: np.random.default_rng(1).uniform(-1, 1, (2, len(signed))) for task in schema.TASKS
    }
    cases = choose(signed)
    shown = table(cases, signed, predictions, {signed.clips["id"].iloc[cases[0].row]: "A gloss."})
    assert (
        list(shown["case"]) == [kind.name for kind in KINDS]
        and shown["gloss"].iloc[0] == "A gloss."
    )
    case_figures.cases(cases, signed, predictions).canvas.draw()
    case_figures.errors(
        errors(cases, signed, {"x": predictions["M"]}), {kind.name: 2 for kind in KINDS}
    ).canvas.draw()


def test_glosses_are_the_generators(tmp_path, tiny_store):
    corpus = ensure_corpus("tiny", tmp_path)
    found = glosses(corpus)
    assert set(corpus.split("test").clips["id"]) <= set(found) and all(found.values())
    assert glosses(tiny_store) == {}


def test_clips_of_train_are_refused(tiny_store):
    with pytest.raises(InputError, match="train"):
        choose(tiny_store.split("train"))
