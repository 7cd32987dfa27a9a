"""``avmc bench --device cuda``, rehearsed where there is no GPU: its whole path runs on "cpu:0",
which is the processor, but not "cpu"; only what CUDA alone can tell is made up."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
from click.testing import CliRunner
from test_bench import SHORT, SimpleEncoder
from torch.autograd import DeviceType
from torch.autograd.profiler_util import EventList, FunctionEvent

from avmc_core.commands.main import main
from avmc_core.data.batches import SplitData
from avmc_core.kernels import compiled
from avmc_core.speed import (
    bench,
    bench_bert,
    bench_cases,
    bench_company,
    bench_device,
    bench_gpu,
    bench_limits,
    bench_models,
    bench_seeds,
    gpu_record,
)
from avmc_core.speed.bench_way import Way

HERE = "cpu:0"
CARD = {
    "gpu": "a card",
    "tf32": False,
    "triton": "3.9.0",
    "driver": "580.1",
    "cuda": "13.0",
    "cudnn": 91900,
}


def event(name: str, start: float, end: float, **facts) -> FunctionEvent:
    """An event of PyTorch's profiler, from ``start`` to ``end`` in microseconds."""
    known = {"device_type": DeviceType.CUDA, "use_device": "cuda", "stack": []} | facts
    return FunctionEvent(len(name), name, 1, start, end, **known)


EVENTS = [
    event("cudaLaunchKernel", 0, 90, device_type=DeviceType.CPU),
    event("lstm_forward", 10, 30),
    event("gemm", 30, 35),
    event("Memcpy DtoH (Device -> Pageable)", 40, 41),
    event("Memset (Device)", 50, 52),
    event("Optimizer.step#Adam.step", 0, 100, is_user_annotation=True),
]


def test_kernels_and_busy_time_are_those_of_the_profilers_own_sums():
    """Where nothing overlaps, PyTorch's summary of the same events has the same device time, apart
    from the annotation."""
    found = bench_device.counted(EVENTS)
    assert (found["kernels"], found["copies"]) == (2, 2)
    events = EventList(EVENTS, use_device="cuda")
    events._build_tree()  # as the profiler does
    summary = [each for each in events.key_averages() if not each.is_user_annotation]
    theirs = sum(each.self_device_time_total for each in summary)
    assert found["busy"] == pytest.approx(theirs / 1e6) == pytest.approx(28e-6)


def test_kernels_beside_each_other_keep_the_device_busy_once():
    both = [event("a", 0, 10), event("b", 5, 8), event("c", 6, 14), event("d", 20, 21)]
    assert bench_device.counted(both) == {"kernels": 4, "copies": 0, "busy": pytest.approx(15e-6)}


def test_a_profile_calls_what_is_profiled_once_and_has_no_kernels_on_a_processor():
    calls = []
    found = bench_device.work(lambda: calls.append(torch.ones(3) + 1), "cpu")
    assert len(calls) == 1 and found == {"kernels": 0, "copies": 0, "busy": 0.0}


def test_dependent_steps_are_those_of_the_longest_clip():
    """Compared with hand counts: two layers for each of two modalities, and MFN's three LSTMs with
    the memory beside them; forward and backward."""
    split, rows = bench_cases.made_up(4, SHORT), torch.arange(4)
    semi, memory = (
        bench_limits.dependent_steps(bench_cases.fast_way(bench_cases.CASES[name], split), rows)
        for name in ("semi", "MFN")
    )
    assert semi == 2 * 2 * (SHORT["audio"] + SHORT["vision"])
    assert memory == 2 * 4 * SHORT["text"]


def test_without_a_gpu_it_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    result = CliRunner().invoke(main, ["bench", "--device", "cuda"])
    assert result.exit_code == 2 and result.output.count("\n") == 1
    assert "'cuda' without a GPU" in result.output and not (tmp_path / "results").exists()


@pytest.fixture
def rehearsed(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setattr(bench, "checked_device", lambda device: HERE)
    monkeypatch.setattr(bench_device, "card", lambda: CARD)
    monkeypatch.setattr(bench_cases, "STEPS_SHORT", SHORT)
    monkeypatch.setattr(bench_cases, "text_encoder", SimpleEncoder)
    monkeypatch.setattr(bench_models, "MODELS", ("LMF",))
    for name, size in {"PRODUCT": 64, "COPIED": 64, "LAUNCHES": 4, "FRAMES": 8}.items():
        monkeypatch.setattr(bench_gpu, name, size)

    def profiled(function, device):
        function()
        return EVENTS

    monkeypatch.setattr(bench_device, "_profiled", profiled)


def test_a_gpu_has_a_record_of_its_own(rehearsed, tmp_path, monkeypatch):
    """Both ways of a step, the work of each, every limit; what fails is named, and the rest is
    measured all the same."""
    monkeypatch.setattr(bench, "scaling", lambda threads, device: {}["no memory"])
    words = ["--device", "cuda", "--short", "--threads", "1", "--only", "semi,MFN,models,scaling"]
    result = CliRunner().invoke(main, ["bench", *words])
    assert result.exit_code == 1 and "not measured: scaling;" in result.output, result.output
    assert not (tmp_path / "results" / "bench.json").exists()
    saved = json.loads((tmp_path / "results" / "bench_gpu.json").read_text())
    assert saved["provenance"]["command"] == f"avmc bench {' '.join(words)}"
    data = saved["data"]
    assert data["scaling"] == {"failed": "KeyError: 'no memory'"}
    assert data["machine"]["recurrence"] == "cuDNN" and data["machine"]["launch_us"] > 0
    for name in ("semi", "MFN"):
        part = data[name]
        assert part["ratio"] == pytest.approx(part["naive"] / part["fast"])
        assert part["loss"] < 1e-4
        assert (part["naive_kernels"], part["fast_kernels"], part["fast_copies"]) == (2, 2, 2)
        limits = [part[name] for name in ("arithmetic", "bytes", "launches", "recurrences")]
        assert part["times_limit"] == pytest.approx(part["fast"] / max(limits))
        assert part["launches"] == pytest.approx(4e-6 * data["machine"]["launch_us"])
    assert data["models"]["LMF"]["epoch"] > 0 and data["models"]["LMF"]["device_mb"] == 0
    record = gpu_record.read()
    assert record == saved and "a card, driver 580.1" in gpu_record.machine(record)
    tables = {name: list(table["Model"]) for name, _, table, _ in gpu_record.tables(record)}
    both = ["AV-MC(Semi)", "MFN"]
    assert tables == {"gpu": both, "gpu-limits": both, "gpu-models": ["LMF"]}


def test_a_step_is_made_side_by_side_where_runs_are(monkeypatch):
    """One seed, and all of them, each with its own clips; the same also of a single model's cost.
    The step of two seeds is that of each alone, which is what ``Way`` makes."""
    if compiled.kernels() is None:
        pytest.skip("no C compiler here")
    case, split = bench_cases.CASES["semi"], bench_cases.made_up(8, SHORT)
    build = partial(bench_cases.network, case, split)
    assert not bench_company.as_runs_do(build, HERE)  # there is no GPU
    data = SplitData(split, build().inputs)
    both = bench_company.Company(data, build, case, HERE, seeds=2)
    with bench_cases.like_a_run(1, True), both.in_a_pass():
        losses = both.step(torch.arange(8))["total"]
    for number, total in enumerate(losses):
        alone = Way(data, build().train(), case)
        torch.default_generator.set_state(torch.Generator().manual_seed(number).get_state())
        expected = alone.step(torch.arange(4) + 4 * number)["total"]
        assert total == expected
        for name, value in alone.model.named_parameters():
            assert torch.equal(dict(both.model.named_parameters())[name][number], value), name
    monkeypatch.setattr(bench_company, "stackable", lambda build, device: device == HERE)
    found = bench_cases.time_step("semi", 1, SimpleEncoder(), SHORT, repeats=1, device=HERE)
    assert found["seeds"] == 16 and found["together_kernels"] == 0
    assert found["together_ratio"] == pytest.approx(found["together"] / found["fast"])
    machine = {"gemm_gflops": 1.0, "copy_gb_per_s": 1.0, "launch_us": 1.0, "step_us": 1.0}
    record = {"data": {"semi": found | gpu_record.distance(found, machine)}}
    assert gpu_record.company(record)["Model"].item() == "AV-MC(Semi)"
    assert bench_models.cost("AV-MC(Semi)", 1, SHORT, device=HERE)["epoch"] > 0
    assert bench._pass_seconds(1, HERE, clips=4, share=1 / 40, batch=2) > 0


def test_access_to_the_data_is_no_part_of_a_gpus(rehearsed):
    for words in (["--only", "data"], ["--full"]):
        result = CliRunner().invoke(main, ["bench", "--device", "cuda", *words])
        assert result.exit_code == 2 and "data" in result.output


def test_the_other_parts_run_there_too(monkeypatch):
    monkeypatch.setattr(bench_bert, "WORDS", 200)
    steps = SHORT | {"text": 12}
    found = bench_bert.outside("Self_MM", 1, steps, layers=2, repeats=1, device=HERE)
    assert 0 < found["rest"] < found["whole"] and found["rest_kernels"] == 0
    assert bench._pass_seconds(1, HERE, clips=4, share=1 / 40, batch=2) > 0


def test_sixteen_seeds_are_one_network_where_they_can_be(tmp_path, monkeypatch, tiny_store):
    """Else there is nothing to measure: they are trained one after the other. What a process does
    only once is not timed."""
    assert bench_seeds.usual("cuda") == 16 and bench_seeds.usual("cpu") == 6
    monkeypatch.setenv("AVMC_HOME", str(tmp_path))
    monkeypatch.setattr("avmc_core.simulated.corpus.ensure_corpus", lambda profile: tiny_store)
    monkeypatch.setattr(bench_seeds, "EPOCHS", 2)
    monkeypatch.setattr(bench_seeds, "REPEATS", 1)
    asked, trained, timed = [], [], []

    def together(build, settings, store, device):
        asked.append(device)
        if not hasattr(settings, "variant"):
            return False
        if settings.variant == "paper":
            raise RuntimeError("no memory")
        return True

    def all_runs(runs, store, folder, *, device, **rest):
        trained.append((device, len(runs), runs[0].settings.training.max_epochs))

    def alone(*given):
        timed.append(given)
        return bench_seeds._seconds(*given)

    monkeypatch.setattr(bench_seeds, "trains_together", together)
    monkeypatch.setattr("avmc_core.runs.grid.run_all", all_runs)
    monkeypatch.setattr(bench_seeds, "_alone", alone)
    found = bench_seeds.side_by_side(["AV-MC", "AV-MC, paper", "LF_DNN"], 3, HERE)
    assert asked == [HERE] * 3 and [given[2:] for given in timed] == [(1, 1, HERE), (3, 1, HERE)]
    assert trained == [(HERE, 1, 1), (HERE, 1, 2), (HERE, 3, 1), (HERE, 3, 2)]
    assert found["AV-MC"]["as"] == "one network" and found["AV-MC"]["ratio"] > 0
    assert found["LF_DNN"] == {"seeds": 3, "as": "one after the other"}
    assert gpu_record.failed({"seeds": found}) == ["seeds: AV-MC, paper"]
    record = {"data": {"seeds": found}}
    assert list(gpu_record.seeds(record)["Model"]) == ["AV-MC", "LF_DNN"]


def test_the_record_made_here_comes_before_the_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    packaged = tmp_path / "bench_gpu.json"
    monkeypatch.setattr(gpu_record, "resource", lambda name: tmp_path / name)
    assert gpu_record.path() is None and gpu_record.read() is None
    packaged.write_text("{}")
    assert gpu_record.path() == packaged
    own = tmp_path / "home" / "results" / "bench_gpu.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    assert gpu_record.path() == own
