"""Table 4 as an experiment: each row differs from AV-MC in one respect, a restart computes only
what is missing, and the contrasts form one family."""

from __future__ import annotations

import numpy as np
import pytest

from avmc_core.analysis import comparison, contrasts, results
from avmc_core.metrics import evaluate
from avmc_core.models.registry import settings_of
from avmc_core.published import published
from avmc_core.publishing.tables import contrast_table
from avmc_core.runs import declaration, experiments, grid
from avmc_core.runs.scores import scores
from avmc_core.runs.store import RunStore
from avmc_core.settings import as_dict

PLAN = experiments.experiment("table4")


@pytest.fixture
def runs(monkeypatch):
    """The grid at tiny scale: one epoch, two seeds, the released variant."""
    monkeypatch.setitem(declaration.PROFILE_CHANGES, "ci", (("training.max_epochs", 1),))
    return [run for run in PLAN.runs("ci", (1, 2)) if run.name.endswith("(released)")]


def test_the_rows_are_those_of_table_4_in_both_variants():
    printed = list(published()["table4_ablation"]["rows"])
    assert [row.published for row in PLAN.rows] == printed * 2
    seeds = dict(PLAN.seeds)
    assert len(seeds["full"]) >= 5 and len(seeds["ci"]) >= 3


def test_each_row_is_one_step_from_avmc():
    """Apart from that one switch each row has the settings of the full model of the same
    variant."""
    full = {
        variant: as_dict(settings_of("AV-MC", {"variant": variant}))
        for variant in experiments.VARIANTS
    }
    switches = {"unimodal_tasks", "mix_audio", "mix_vision"}
    for row in PLAN.rows:
        settings = as_dict(settings_of(row.model, dict(row.changes)))
        other = full[settings["variant"]]
        changed = {name for name, value in settings.items() if str(value) != str(other[name])}
        assert changed <= switches and bool(changed) == (row.published != "AV-MC"), row


def test_killed_halfway_and_restarted_it_computes_only_what_is_missing(
    runs, tiny_store, tmp_path, monkeypatch
):
    """The process is killed while several seeds train side by side; the seeds that had finished are
    kept."""
    store, computed, real = RunStore(tmp_path), [], RunStore.publish

    def killed(self, folder, record):
        if len(computed) == 3:
            raise KeyboardInterrupt
        computed.append(record.key)
        return real(self, folder, record)

    monkeypatch.setattr(RunStore, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        grid.run_all(runs, tiny_store, store, jobs=1, progress_bar=False)
    assert len(computed) == len(list(store)) == 3
    kept = {
        record.key: (record.folder / "predictions.safetensors").stat().st_mtime_ns
        for record in store
    }
    assert "10 runs, 7 to compute" in results.estimate(runs, tiny_store, store)

    monkeypatch.setattr(
        RunStore, "publish", lambda *words: (computed.append(words[2].key), real(*words))[1]
    )
    records = grid.run_all(runs, tiny_store, store, jobs=1, progress_bar=False)
    assert len(computed) == len(set(computed)) == len(runs) == len(records) == 10
    for key, changed in kept.items():
        assert (store.get(key).folder / "predictions.safetensors").stat().st_mtime_ns == changed
    for run, record in records.items():  # a head that was never trained is neither kept nor scored
        tasks = {"M"} if "Unimodal" in run.name else {"M", "T", "A", "V"}
        assert set(scores(record, tiny_store)) == set(record.predictions("test")) == tasks


def test_contrasts_are_one_family(runs, tiny_store, tmp_path):
    records = grid.run_all(runs, tiny_store, RunStore(tmp_path), jobs=1, progress_bar=False)
    full, *ablated = [f"{name} (released)" for name in reversed(experiments.ABLATIONS)]
    table = contrasts.contrasts(
        records, tiny_store, [(full, name) for name in ablated], ["Acc2", "MAE"]
    )
    assert len(table) == 8
    assert list(table["p_holm"]) == list(comparison.holm(dict(table["p"].items())).values())
    test = tiny_store.split("test")
    means = {
        name: np.mean(
            [
                evaluate(record.predictions("test")["M"], test.labels[:, 0])["Acc2"]
                for run, record in records.items()
                if run.name == name
            ]
        )
        for name in (full, ablated[0])
    }  # fmt: skip
    assert table.loc[0, "difference"].estimate == pytest.approx(
        100 * (means[full] - means[ablated[0]])
    )
    alone = contrasts.fixed_models(
        records, tiny_store, [(full, name) for name in ablated], ["Acc2", "MAE"], 1
    )
    assert alone.shape == (4, 2) and alone.to_numpy().min() > 0 and alone.to_numpy().max() <= 1
    page = contrast_table(table, "differences").words()
    assert (
        len(page) == 8
        and page["difference"].str.match(r"^[+-][\d.]+ \[[+-][\d.]+, [+-][\d.]+\]$").all()
    )
    assert "8 comparisons" in contrasts.tally(table)
    assert contrasts.contrasts(records, tiny_store, [(full, "not run")], ["Acc2"]).empty
