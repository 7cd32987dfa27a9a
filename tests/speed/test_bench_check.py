"""A change of speed is told from noise."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from avmc_core.commands.main import main
from avmc_core.home import resource_text
from avmc_core.speed import bench, bench_check, bench_seeds


def parts(step: float, company: float) -> dict:
    return {
        "machine": {"threads": 2},
        "TFN": {"naive": step, "fast": 1.0, "ratio": step},
        "seeds": {"AV-MC": {"seeds": 6, "together": company, "one": 1.0, "ratio": company}},
    }


@pytest.mark.parametrize(
    ("fresh", "verdicts"),
    [
        ([(3.1, 1.6), (2.9, 1.4)], ["as recorded", "as recorded"]),
        ([(2.5, 1.5), (2.6, 1.5)], ["as recorded", "as recorded"]),  # within the margin
        ([(2.0, 1.5), (2.1, 1.5)], ["changed", "as recorded"]),  # slower
        ([(3.0, 0.9), (3.0, 1.0)], ["as recorded", "changed"]),  # faster
        ([(2.0, 1.5), (2.5, 1.5)], ["as recorded", "as recorded"]),  # noise
    ],
)
def test_a_ratio_has_changed_where_the_record_is_outside_of_the_noise(fresh, verdicts):
    table = bench_check.compared(parts(3.0, 1.5), [parts(*ratios) for ratios in fresh])
    assert list(table["ratio"]) == ["TFN: naive / fast", "AV-MC: 6 seeds / one"]
    assert list(table["verdict"]) == verdicts


def test_what_the_record_lacks_is_said_to_be_missing():
    table = bench_check.compared({"machine": {}}, [parts(3.0, 1.5)])
    assert set(table["verdict"]) == {"not recorded"}


def test_the_command_ends_with_one_where_a_ratio_has_changed(monkeypatch):
    record = json.loads(resource_text("bench.json"))
    ratio = record["data"]["TFN"]["ratio"]
    for factor, status in ((1.0, 0), (0.5, 1)):
        part = {"TFN": lambda factor=factor: {"ratio": factor * ratio}}
        monkeypatch.setattr(bench, "parts", lambda only, threads, part=part: part)
        result = CliRunner().invoke(main, ["bench-check", "--only", "TFN", "--repeats", "2"])
        assert result.exit_code == status, result.output
        assert "2 of 2: TFN" in result.output


def test_seeds_of_an_unknown_model_are_refused_before_anything_is_timed(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    words = ["bench", "--only", "seeds", "--model", "AV-MD", "--seeds", "2"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and "AV-MD" in result.output


def test_seeds_of_any_model_are_timed(tmp_path, monkeypatch, tiny_store):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setattr("avmc_core.simulated.corpus.ensure_corpus", lambda profile: tiny_store)
    monkeypatch.setattr(bench_seeds, "EPOCHS", 1)
    monkeypatch.setattr(bench_seeds, "REPEATS", 1)
    timed = []

    def alone(model, changes, count, threads, device):
        timed.append((model, count, threads))
        return bench_seeds._seconds(model, changes, count, threads)

    monkeypatch.setattr(bench_seeds, "_alone", alone)
    (found,) = bench_seeds.side_by_side(["MTFN"], 2).values()
    assert timed == [("MTFN", 1, 1), ("MTFN", 1, 2), ("MTFN", 2, 1)]
    assert found["as"] == "processes"  # of a model whose seeds are trained one by one
    assert found["ratio"] == pytest.approx(found["together"] / found["one"])
