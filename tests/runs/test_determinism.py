"""Which parts of a run repeat byte for byte on a CPU, and which within a tolerance; tests/gpu asks
the same of a GPU.

Equal to the byte, on a CPU with the same versions: a second run (test_training), a killed and
resumed run (test_training, torture), any number of processes (test_runs), and any other run in the
same process (here). Equal within a tolerance: any number of threads, and the compiled LSTM and
attention on or off (here), except for the dropout of attention, whose draws differ. All of these
are part of a run's key, so that such runs are never taken for one another.
"""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from avmc_core.kernels import attention, compiled, lstm
from avmc_core.runs.computing import run_one
from avmc_core.runs.execution import StoreData, deterministic
from avmc_core.runs.store import PREDICTIONS, WEIGHTS, Run, RunStore

RUN = Run("AV-MC(Semi)", 1, (("training.max_epochs", 3),))
OTHERS = [Run(model, 2, (("training.max_epochs", 1),)) for model in ("LF_DNN", "AV-MC")]
ATTENTION = (
    ("training.max_epochs", 2),
    ("training.accumulate", 1),  # or these few clips would make no step
    *((f"{part}_attention_dropout", 0.0) for part in ("text", "audio", "vision")),
)
TOLERANCE = 1e-4  # of a prediction, in label units, after three epochs


def result(store, folder, threads: int = 1, run: Run = RUN):
    record = run_one(run, StoreData(store), RunStore(folder), threads=threads)
    return record, [(record.folder / name).read_bytes() for name in (PREDICTIONS, WEIGHTS)]


def test_other_runs_in_the_process_change_no_byte(tiny_store, tmp_path):
    _, alone = result(tiny_store, tmp_path / "alone")
    for run in OTHERS:
        run_one(run, StoreData(tiny_store), RunStore(tmp_path / "others"))
    assert result(tiny_store, tmp_path / "after")[1] == alone


def test_a_run_has_its_own_number_of_threads_for_products_of_matrices():
    """NumPy's last digits depend on it, and a run's key holds the number it was given."""

    def threads():
        return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        before = threads()
        with deterministic(1):
            assert threads() <= {1}
        assert threads() == before


def test_threads_agree_to_a_tolerance_and_have_keys_of_their_own(tiny_store, tmp_path):
    one, _ = result(tiny_store, tmp_path / "one")
    two, _ = result(tiny_store, tmp_path / "two", threads=2)
    assert one.key != two.key
    _agree(one, two)


@pytest.mark.skipif(compiled.kernels() is None, reason="no C compiler here")
@pytest.mark.parametrize(
    "run, module, decides",
    [(RUN, lstm, "fused"), (Run("MulT", 1, ATTENTION), attention, "compiles")],
    ids=["LSTM", "attention"],
)
def test_compiled_code_agrees_to_a_tolerance_and_has_a_key_of_its_own(
    run, module, decides, tiny_store, tmp_path, monkeypatch
):
    """That the bytes differ shows that this part of the compiled code, and no other, was off."""
    with_it, files = result(tiny_store, tmp_path / "with", run=run)
    with monkeypatch.context() as off:
        off.setattr(module, decides, lambda *_: False)
        without, others = result(tiny_store, tmp_path / "without", run=run)
    with monkeypatch.context() as off:
        off.setattr(compiled, "kernels", lambda: None)
        assert run.key(tiny_store) != with_it.key
    assert all(one != other for one, other in zip(files, others, strict=True))
    _agree(with_it, without)


def _agree(a, b):
    for split in ("valid", "test"):
        for task, prediction in a.predictions(split).items():
            np.testing.assert_allclose(prediction, b.predictions(split)[task], atol=TOLERANCE)
