"""The cost of access to the data: import, open, first batch, each in a process of its own, compared
with the naive way.

Naive is what ``pickle.load`` leads to: the whole file in memory, as padded float64 arrays that are
views of its bytes. Our own reader makes the same of bytes in memory (a test compares the two,
arrays and peaks), so that nothing here unpickles.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from avmc_core import schema
from avmc_core.data.released_writer import Padded, write_supervised
from avmc_core.data.store import Split
from avmc_core.speed.bench_cases import made_up
from avmc_core.speed.bench_process import printed_by

ROWS = {"train": 2722, "valid": 647, "test": 1034}  # of the released file
SHARE = 8  # the short benchmark takes one clip of so many
PARTS = (8, 4, 2, 1)  # training takes one training clip of so many
STEPS = 40  # of training

NAIVE = """
import torch
from avmc_core.data.unpickle import parse
split = parse(memoryview(Path(source).read_bytes()), source)["train"]
batch = [
    torch.stack([torch.tensor(split[m][row], dtype=torch.float32) for row in range(64)])
    for m in ("text", "audio", "vision")
]
"""
IMPORT = """
from avmc_core.data.importing import import_released
import_released(target, source, progress=False)
"""
OPEN = """
import torch
from avmc_core.data.batches import SplitData
from avmc_core.data.store import open_store
SplitData(open_store(target).split("train")).batch(torch.arange(64))
"""
TRAIN = """
import numpy as np, torch
from avmc_core.speed.bench_cases import fast_way
from avmc_core.speed.bench_way import BenchCase
from avmc_core.data.splits import take
from avmc_core.data.store import open_store
split = open_store(target).split("train")
part = take(split, np.arange(len(split) // {part}), "train")
way = fast_way(BenchCase("AV-MC(Semi)", stage="mixup"), part)
order = torch.Generator().manual_seed(0)
while len(own) <= {steps}:  # as many whatever the clips
    for rows in way.data.shuffled(64, order):
        way.step(rows)
        own.append(status_mb("RssAnon"))
"""
MEASURED = """
import json, sys, time
from pathlib import Path

own = [0]  # memory that no file backs, where it is asked for
# Of this program alone; getrusage would count what its parent held when it was started.
def status_mb(field):
    return int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0]) / 1024

source, target = sys.argv[1:]
import torch, avmc_core.data.batches, avmc_core.data.importing
loaded = status_mb("VmHWM")
start = time.perf_counter()
{code}
found = {{
    "seconds": time.perf_counter() - start,
    "peak_mb": status_mb("VmHWM"),
    "libraries_mb": loaded,
    "own_mb": max(own),
}}
print(json.dumps(found))
"""


def data_path(full: bool) -> dict[str, Any]:
    """Seconds and peak memory of each way of reading a made-up supervised file: the memory of
    the whole process, and that of the libraries alone. Then the same for ``STEPS`` steps of
    training on growing parts of its clips, with the largest memory that is not the mapped
    store's (``own_mb``)."""
    share = 1 if full else SHARE
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "s.pkl"), Path(folder, "store")
        write_supervised(
            source, {name: released_columns(name, rows // share) for name, rows in ROWS.items()}
        )
        result = {
            "clips": sum(rows // share for rows in ROWS.values()),
            "gigabytes": source.stat().st_size / 1e9,
        }
        for name, code in {"import": IMPORT, "open": OPEN, "pickle": NAIVE}.items():
            result[name] = _measured(code, source, target)
        result["train"] = {
            ROWS["train"] // share // part: _measured(
                TRAIN.format(part=part, steps=STEPS), source, target
            )
            for part in PARTS
        }
    return result


def _measured(code: str, source: Path, target: Path) -> dict[str, float]:
    return printed_by("-c", MEASURED.format(code=code), source, target)


def released_columns(name: str, clips: int) -> dict[str, Any]:
    """Made-up clips under the released keys."""
    split = made_up(clips)
    return {
        "id": np.array([f"{name}_{row // 30:04d}$_${row:04d}" for row in range(clips)]),
        "audio": _padded(split, "audio"),
        "vision": _padded(split, "vision"),
        "raw_text": np.array(["字" * int(length) for length in split.text.lengths]),
        "text": _padded(split, "text"),
        "text_bert": split.tokens,
        "audio_lengths": split.audio.lengths,
        "vision_lengths": split.vision.lengths,
        "annotations": np.array(["Negative", "Neutral", "Positive"])[
            np.sign(split.labels[:, 0]).astype(int) + 1
        ],
        **{
            schema.LABEL_KEYS[task]: np.round(
                split.labels[:, schema.TASKS.index(task)].astype(np.float64), 1
            )
            for task in schema.TASKS
        },
    }


def _padded(split: Split, modality: str) -> Padded:
    ragged = getattr(split, modality)
    return Padded(ragged.parts[0][0], ragged.lengths, ragged.steps)
