"""A process that trains starts quickly: it loads neither PyTorch's compiler nor transformers."""

import subprocess
import sys

TRAINING = """
import sys
from avmc_core.data.store import open_store
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import Run, RunStore

store, folder = sys.argv[1:]
length = (("training.max_epochs", 1),)
grid = [Run(model, seed, length) for model in ("AV-MC", "MFN") for seed in (1, 2)]
records = run_all(grid, open_store(store), RunStore(folder), jobs=1, device="cpu")
assert all(record.status == "done" for record in records.values())
print(*[name for name in ("torch._dynamo", "sympy", "transformers") if name in sys.modules])
"""


def test_training_loads_no_compiler_of_networks(tiny_store, tmp_path):
    command = [sys.executable, "-c", TRAINING, str(tiny_store.path), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
