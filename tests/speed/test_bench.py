"""The benchmark compares like with like: its naive networks pass the golden files as well."""

from __future__ import annotations

import json
from types import SimpleNamespace

import golden_cases
import golden_files as gf
import pytest
import torch
from click.testing import CliRunner

from avmc_core.commands.main import main
from avmc_core.data.importing import import_released
from avmc_core.data.released_writer import write_supervised
from avmc_core.kernels import compiled
from avmc_core.mixup import Draw
from avmc_core.settings import replace
from avmc_core.speed import bench, bench_bert, bench_cases, bench_data, bench_models
from avmc_core.speed.bench_limits import least
from avmc_core.speed.bench_naive import PLAIN, naive
from avmc_core.speed.bench_process import printed_by

NAMES = ["AVMC_semi_released", "TFN", "MFN", "Graph_MFN", "MulT", "MISA"]


@pytest.mark.parametrize("name", NAMES)
def test_naive_networks_equal_reference(name, monkeypatch):
    made, original = [], golden_cases.CASES[name]

    def case(golden: gf.Golden):
        model, *rest = original(golden)
        made.append({type(module) for module in naive(model).modules()})
        return model, *rest

    monkeypatch.setitem(golden_cases.CASES, name, case)
    golden_cases.equals_reference(name)
    assert made[0] & set(PLAIN.values()) and not made[0] & set(PLAIN)


SHORT = {"text": 7, "audio": 19, "vision": 6}


@pytest.mark.parametrize("name", ["MFN", "semi", "supervised"])
def test_both_data_paths_make_the_same_batch(name):
    """Clip by clip from padded float64 arrays, or gathered from the ragged ones: the same
    numbers."""
    split = bench_cases.made_up(9, SHORT)
    slow, fast = (
        make(bench_cases.CASES[name], split)
        for make in (bench_cases.naive_way, bench_cases.fast_way)
    )
    rows = torch.tensor([3, 0, 8])
    for field, ours in vars(fast.data.batch(rows)).items():
        torch.testing.assert_close(
            getattr(slow.data.batch(rows), field), ours, msg=lambda m, f=field: f"{f}: {m}"
        )


@pytest.mark.parametrize("name", ["semi", "supervised", "Graph_MFN"])
def test_both_ways_agree_on_losses_and_gradients(name):
    """Losses are equal to 1e-4 and gradients to 1e-3 in at least two of three batches.

    A hidden unit or an L1 error within rounding of zero has a gradient that depends on the CPU, and
    changes one clip's share of the sum. That is rare in a batch (about one in a hundred); a wrong
    gradient is wrong in every batch.
    """
    case, encoder = bench_cases.CASES[name], SimpleEncoder()
    split = bench_cases.made_up(48, SHORT)
    with bench_cases.like_a_run(1, True):
        slow, fast = (
            make(case, split, encoder if case.encoder else None)
            for make in (bench_cases.naive_way, bench_cases.fast_way)
        )
        found = [bench_cases.agreement(slow, fast, rows) for rows in torch.arange(48).split(16)]
    assert max(each["loss"] for each in found) < 1e-4, found
    assert sorted(each["gradient"] for each in found)[1] < 1e-3, found


def test_no_clip_meets_itself_where_gradients_are_compared():
    for clips in (2, 3, 50):
        draws = bench_cases.no_fixed_points({"audio": Draw(torch.arange(clips), torch.rand(1))})
        assert sorted(draws["audio"].partner.tolist()) == list(range(clips))
        assert not (draws["audio"].partner == torch.arange(clips)).any()


def test_a_timed_step_has_both_times_and_their_ratio():
    found = bench_cases.time_step("MFN", 1, None, SHORT, repeats=1)
    assert found["ratio"] == pytest.approx(found["naive"] / found["fast"]) and found["loss"] < 1e-4


def test_a_step_outside_bert_is_part_of_the_whole(monkeypatch):
    monkeypatch.setattr(bench_bert, "WORDS", 200)
    found = bench_bert.outside("Self_MM", 1, SHORT | {"text": 12}, layers=2, repeats=1)
    assert 0 < found["rest"] < found["whole"] and found["share"] == found["rest"] / found["whole"]


def test_what_a_model_costs_has_a_process_and_a_peak_of_its_own(monkeypatch):
    """An epoch has one step per batch; memory that this process allocates is not in the figure."""
    here = torch.ones(2**26)  # 256 MB
    monkeypatch.setattr(bench_models, "MODELS", ("LMF",))
    (found,) = bench_models.all_models(1, SHORT).values()
    assert found["epoch"] == pytest.approx(-(-2722 // found["clips"]) * found["step"])
    assert 0 <= found["peak_mb"] - found["libraries_mb"] < here.nbytes / 2**20


def test_both_passes_are_in_an_epoch_of_two(monkeypatch):
    """Each with its own stages; BERT is read where it is fine-tuned."""
    monkeypatch.setattr(bench_models, "median_seconds", lambda function, *rest: function() and 1.0)
    assert bench_models.cost("AV-MC(Semi)", 1, SHORT)["epoch"] == 202 + 43
    monkeypatch.setattr(bench_models, "bert", lambda layers: bench_cases.bert(1))
    assert bench_models.cost("MMIM", 1, SHORT)["epoch"] == 2 * 86


def test_arithmetic_of_a_step_does_not_depend_on_what_computes_it(monkeypatch):
    """Counted in our C code or by PyTorch in its own products; only our gradient of attention does
    more (14 operations for 12)."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")
    split, rows = bench_cases.made_up(4, SHORT), torch.arange(4)
    ways = [bench_cases.fast_way(bench_cases.CASES[name], split) for name in ("MFN", "MulT")]
    ways[1].model.settings = replace(ways[1].model.settings, {"causal": False})
    ours = [least(way, rows) for way in ways]
    monkeypatch.setattr(compiled, "kernels", lambda: None)
    theirs = [least(way, rows) for way in ways]
    assert (
        ours[0] == pytest.approx(theirs[0], rel=0.05)
        and ours[0]["megabytes"] == theirs[0]["megabytes"]
    )
    assert theirs[1]["gflop"] < ours[1]["gflop"] < 14 / 12 * theirs[1]["gflop"]


class SimpleEncoder(torch.nn.Module):
    """Stands in for BERT: the mean of random word vectors."""

    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(bench_cases.WORDS, 768)

    def forward(self, input_ids, attention_mask, token_type_ids):
        states = self.words(input_ids) * attention_mask[..., None]
        return SimpleNamespace(last_hidden_state=states.cumsum(1).flip(1))


def test_made_up_clips_import_like_released_ones(tmp_path):
    """The importer accepts the benchmark's file without repairs."""
    columns = {name: bench_data.released_columns(name, 4) for name in ("train", "valid", "test")}
    write_supervised(tmp_path / "s.pkl", columns)
    store = import_released(tmp_path / "store", tmp_path / "s.pkl", progress=False)
    assert store.manifest["splits"]["test"] == 4 and not any(
        repair["count"] for repair in store.manifest["repairs"]
    )


def test_command_writes_its_result(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setattr(bench_cases, "STEPS_SHORT", SHORT)
    monkeypatch.setattr(bench, "machine", lambda threads: {"threads": threads})
    result = CliRunner().invoke(main, ["bench", "--short", "--threads", "1", "--only", "MFN"])
    assert result.exit_code == 0, result.output
    saved = json.loads((tmp_path / "results" / "bench.json").read_text())
    assert set(saved["data"]) == {"machine", "MFN"}
    assert saved["provenance"]["data"] == "made-up clips of short sequences"
    assert saved["provenance"]["command"] == "avmc bench --short --threads 1 --only MFN"
    for words in (["--only", ","], ["--threads", "0"]):
        assert CliRunner().invoke(main, ["bench", *words]).exit_code == 2
    assert CliRunner().invoke(main, ["bench", "--only", "nothing"]).exit_code == 2


def test_access_to_the_data_is_measured_in_processes_of_their_own(monkeypatch):
    """Import, opening, the naive way and training, on a few clips and for a step each."""
    monkeypatch.setattr(bench_data, "ROWS", {"train": 64, "valid": 2, "test": 2})
    monkeypatch.setattr(bench_data, "PARTS", (8,))
    monkeypatch.setattr(bench_data, "STEPS", 1)
    measured = bench_data.data_path(full=True)
    assert measured["clips"] == 68 and set(measured["train"]) == {8}
    for part in (measured["import"], measured["open"], measured["pickle"], measured["train"][8]):
        assert part["seconds"] > 0 and part["peak_mb"] >= part["libraries_mb"] > 0
    assert measured["train"][8]["own_mb"] > 0


def test_a_measurement_that_fails_says_why():
    with pytest.raises(RuntimeError, match="status 1: no such thing"):
        printed_by("-c", "raise SystemExit('no such thing')")
