"""Import is all or nothing: unsuitable data are refused or reported, and a killed import leaves
nothing that can be opened."""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import shutil
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import released_factory as factory
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avmc_core import schema
from avmc_core.commands.main import main
from avmc_core.data import importing, label_sets, padding, store_writer
from avmc_core.data.importing import import_released
from avmc_core.data.store import verify_store
from avmc_core.errors import InputError
from avmc_core.paper.audit import audit

FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return import_released(folder / "store", *factory.released_files(folder), progress=False)


def left(folder) -> list[str]:
    """The names in a folder other than those of the input files."""
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".pkl", ".csv"))


# Repairs, which are stated, and refusals, which leave nothing


def changed(split, key, index, value):
    content = factory.supervised()
    content[split][key][index] = value
    return content


def test_values_after_the_end_are_dropped_and_counted(tmp_path, store):
    content = factory.supervised()
    for row in np.flatnonzero(content["train"]["audio_lengths"] < 9)[:2]:
        content["train"]["audio"][row, -1, 3] = 7
    repaired = factory.imports(tmp_path, content)
    assert repaired.manifest["repairs"] == [
        {"what": "clips with audio values after their end, dropped", "count": 2}
    ]
    assert repaired.digest == store.digest


def test_the_logarithm_of_silence_becomes_zero_and_is_counted(tmp_path, store):
    """The public loader does the same, so that other people's results remain comparable with
    ours."""
    content = factory.supervised()
    content["train"]["audio"][1, 0, 3:5] = content["test"]["vision"][2, 0, 9] = -np.inf
    repaired = factory.imports(tmp_path, content)
    assert {repair["what"]: repair["count"] for repair in repaired.manifest["repairs"]} == {
        "values of -inf in audio set to 0": 2,
        "values of -inf in vision set to 0": 1,
    }
    expected = store.split("train").audio[1].copy()
    expected[0, 3:5] = 0
    assert np.array_equal(repaired.split("train").audio[1], expected)


def at_the_start(content, modalities, rows=slice(None)):
    """Some clips moved to the end of their rows, behind the zeros."""
    for columns in content.values():
        for name in modalities:
            lengths = (
                columns["text_bert"][:, 1].sum(axis=1)
                if name == "text"
                else columns[f"{name}_lengths"]
            )
            for row in np.arange(len(lengths))[rows]:
                columns[name][row] = np.roll(
                    columns[name][row], columns[name].shape[1] - lengths[row], axis=0
                )
    return content


@pytest.mark.parametrize("modalities", [("audio",), ("vision",), ("text", "audio", "vision")])
@pytest.mark.parametrize("block", [1, 2**23])
def test_clips_padded_at_the_start_are_read_from_their_end(
    tmp_path, store, monkeypatch, modalities, block
):
    """Once, valid steps were dropped and zeros kept, and the report called this a repair."""
    monkeypatch.setattr(padding, "_BLOCK_BYTES", block)
    content = at_the_start(factory.supervised(), modalities)
    repaired = factory.imports(
        tmp_path, content, at_the_start({"u": factory.unsupervised()}, modalities)["u"]
    )
    assert repaired.digest == store.digest
    said = [repair["what"] for repair in repaired.manifest["repairs"]]
    assert said == [
        f"clips with {name} padded at the start, read from their end" for name in modalities
    ]


def test_a_file_padded_on_both_sides_is_refused(tmp_path):
    content = factory.supervised()
    row = int(np.flatnonzero(content["train"]["audio_lengths"] < 9)[-1])
    with pytest.raises(
        InputError,
        match=f"split train, key audio, row {row}: found zeros first and values after step",
    ):
        factory.imports(
            tmp_path, at_the_start({"train": content["train"]}, ("audio",), [row]) | content
        )
    assert left(tmp_path) == []


def test_a_clip_that_begins_and_ends_without_a_face_is_no_padding(tmp_path):
    """A clip without any face holds zeros only, which are read as they are, whichever side is tried
    first."""
    content = factory.supervised()
    short = np.flatnonzero(content["train"]["vision_lengths"] < 7)[0]
    content["train"]["vision"][short, :6] = 0
    kept = factory.imports(tmp_path, content)
    assert kept.manifest["repairs"] == [] and not kept.split("train").vision[int(short)].any()


def test_other_repairs_are_counted(tmp_path):
    content = factory.supervised()
    content["train"]["regression_labels"][:2] = [-0.1, 0.33]
    content["test"]["id"][0] = "alone"
    other = factory.unsupervised()
    other["id"][3] = content["valid"]["id"][2] = "valid_1$_$1"
    repaired = factory.imports(tmp_path, content, other)
    assert {repair["what"]: repair["count"] for repair in repaired.manifest["repairs"]} == {
        "labels off the grid of 0.2, kept": 2,
        "ids without a separator, read as the video id": 1,
        "unlabelled clips with the id of a labelled one, kept": 1,
    }
    assert repaired.split("test").clips.loc[0, ["video_id", "clip_id"]].tolist() == ["alone", ""]


HOSTILE = {
    "NaN": (changed("valid", "audio", (1, 0, 3), np.nan), "split valid, key audio, row 1"),
    "inf": (changed("test", "vision", (3, 0, 3), np.inf), "split test, key vision, row 3"),
    "-inf in text": (changed("test", "text", (3, 0, 3), -np.inf), "split test, key text, row 3"),
    "NaN after the end": (
        changed("train", "text", (slice(None), -1), np.nan),
        "split train, key text",
    ),
    "more than float32 holds": (
        changed("train", "text", (2, 0, 0), 1e39),
        "split train, key text, row 2",
    ),
    "no state at the last token": (changed("train", "text", 4, 0), "text_bert's mask"),
    "missing split": ({key: factory.columns(key) for key in ("train", "test")}, "no split 'valid'"),
    "a call": ({"train": contextlib.nullcontext()}, "global 'contextlib.nullcontext'"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_fit_leaves_no_store(tmp_path, name):
    content, named = HOSTILE[name]
    with pytest.raises(InputError, match=named):
        factory.imports(tmp_path, content)
    assert left(tmp_path) == []


def test_the_two_files_must_fit(tmp_path):
    other = factory.unsupervised()
    other["vision"] = np.pad(other["vision"], ((0, 0), (0, 1), (0, 0)))
    with pytest.raises(InputError, match=r"u\.pkl: found steps"):
        factory.imports(tmp_path, second=other)
    assert left(tmp_path) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(InputError, match="already there"):
        factory.imports(tmp_path)
    assert left(tmp_path) == ["store"] and left(tmp_path / "store") == []


def test_a_truncated_file_leaves_no_store(tmp_path):
    supervised, _ = factory.released_files(tmp_path)
    data = supervised.read_bytes()
    for size in np.linspace(0, len(data) - 1, 25).astype(int):
        supervised.write_bytes(data[:size])
        with pytest.raises(InputError):
            import_released(tmp_path / "store", supervised, progress=False)
        assert left(tmp_path) == []


VALID = pickle.dumps(factory.supervised(), 4)
_STARTS = [start for _, _, start in pickletools.genops(VALID)]
# not the arrays
PROGRAM = [
    place for start, end in pairwise(_STARTS) for place in range(start, min(end, start + 20))
]


@FUZZ
@given(
    changes=st.lists(
        st.tuples(st.booleans(), st.integers(0, len(VALID) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=6,
    )
)
def test_changed_bytes_never_leave_a_bad_store(tmp_path, changes):
    """200 supervised files with changed bytes: one InputError and no store, or a store that holds
    what it says.

    About half of the changes hit the program around the arrays, half any byte.
    """
    broken = bytearray(VALID)
    for anywhere, place, byte in changes:
        broken[place if anywhere else PROGRAM[place % len(PROGRAM)]] = byte
    (tmp_path / "s.pkl").write_bytes(broken)
    try:
        import_released(tmp_path / "store", tmp_path / "s.pkl", progress=False)
    except InputError:
        assert left(tmp_path) == []
    else:
        read = verify_store(tmp_path / "store")
        assert all(
            np.isfinite(getattr(read.split(s), m).mean()).all()
            for s in schema.SPLITS
            for m in schema.MODALITIES
        )
        shutil.rmtree(tmp_path / "store")


# meta.csv beside the pickle


def meta_of(content) -> pd.DataFrame:
    table = pd.concat(
        [
            pd.DataFrame({"mode": name, "id": part["id"], "text": part["raw_text"]})
            for name, part in content.items()
        ]
    )
    table[["video_id", "clip_id"]] = [value.split("$_$") for value in table["id"]]
    for suffix, task in (("", "M"), ("_T", "T"), ("_A", "A"), ("_V", "V")):
        table[f"label{suffix}"] = np.concatenate(
            [columns[schema.LABEL_KEYS[task]] for columns in content.values()]
        )
    return table.drop(columns="id").assign(annotation="").reset_index(drop=True)


def with_meta(folder, table: pd.DataFrame, content=None):
    table.to_csv(folder / "meta.csv", index=False)
    return factory.imports(folder, content, meta=folder / "meta.csv").manifest


def test_other_texts_and_labels_in_meta_are_stated(tmp_path):
    """However many there are: the released pickle and the table in circulation carry different
    labels, and those of the pickle are kept."""
    content = factory.supervised()
    table = meta_of(content)
    assert with_meta(tmp_path, table)["repairs"] == []
    shutil.rmtree(tmp_path / "store")
    table["label"] = np.where(table["label"] < 0.5, table["label"] + 0.4, table["label"])
    table.loc[0, ["label_T", "text"]] = [1.0 if table["label_T"][0] < 0 else -1.0, "another one"]
    changed = int(
        (np.concatenate([part["regression_labels"] for part in content.values()]) < 0.5).sum()
    )
    texts, multimodal, text = with_meta(tmp_path, table)["repairs"]
    assert (texts["count"], multimodal["count"], text["count"]) == (1, changed, 1)
    assert multimodal["what"].startswith(
        f"M differs in meta.csv in {changed} of 12 clips, {changed} of them in the"
    )
    assert "by 0.40 on average and at most 0.40" in multimodal["what"]
    kept = verify_store(tmp_path / "store").split("train").clips["M"]
    assert kept.tolist() == content["train"]["regression_labels"].tolist()


@pytest.mark.parametrize(
    "column, values, named",
    [
        (
            "clip_id",
            {2: "9998", 3: "9999"},
            r"2 clips of the pickle .*train_0001/0002.* and 2 clips that the pickle lacks",
        ),
        ("mode", {1: "test"}, r"1 clip in another split .*\(train_0000/0001\)"),
    ],
)
def test_a_table_of_other_clips_or_splits_is_refused(tmp_path, column, values, named):
    """One clip too many is enough: the table belongs to other files, and the error names the
    clips."""
    table = meta_of(factory.supervised())
    for row, value in values.items():
        table.loc[row, column] = value
    with pytest.raises(InputError, match=rf"meta\.csv: found {named}"):
        with_meta(tmp_path, table)
    assert left(tmp_path) == []


def test_the_command_names_the_labels_and_what_differs(tmp_path):
    content = factory.supervised()
    table = meta_of(content)
    table.loc[0, "label"] = -0.1
    table.to_csv(tmp_path / "meta.csv", index=False)
    path = factory.write(tmp_path / "s.pkl", content)
    call = ["data", "import", "--supervised", str(path), "--meta", str(tmp_path / "meta.csv")]
    said = CliRunner().invoke(main, [*call, str(tmp_path / "store")]).output
    assert "labels: another set of labels" in said
    assert "repaired" not in said, "nothing was changed"
    (line,) = [line for line in said.splitlines() if line.startswith("noticed: M differs in")]
    assert " 1 of 12 clips, " in line and not line.endswith(")"), "the number stands in it once"
    audited = CliRunner().invoke(main, ["data", "audit", str(tmp_path / "store")]).output
    assert "labels: another set of labels" in audited.splitlines()


def of_counts(key: str) -> pd.DataFrame:
    """Generated clips whose numbers and label counts are those of one of the two sets."""
    rows = [
        (split, f"{part}_{split}", f"{k:0{4 if part == label_sets.ORIGINAL else 5}d}", label)
        for split, parts in label_sets.of_set(key).items()
        for part, counts in parts.items()
        for k, label in enumerate(np.repeat(schema.GRID, counts))
    ]
    return pd.DataFrame(rows, columns=["split", "video_id", "clip_id", "M"])


def test_the_pickle_and_the_table_in_circulation_import_together(tmp_path):
    """A pickle with the relabelled labels and a table with the mixed ones: both are recognised, and
    the report counts the differences by part."""
    relabelled, mixed = of_counts(label_sets.RELABELLED), of_counts(label_sets.MIXED)
    steps, content = dict.fromkeys(factory.STEPS, 2), {}
    for split, clips in relabelled.groupby("split", sort=False):
        content[split] = factory.columns(split, rows=len(clips), steps=steps)
        content[split]["id"] = (clips["video_id"] + "$_$" + clips["clip_id"]).to_numpy(str)
        content[split]["regression_labels"] = clips["M"].to_numpy()
    table = meta_of(content).assign(label=mixed["M"])
    other = factory.columns("unlabelled", steps=steps)
    path = factory.write(tmp_path / "s.pkl", content), factory.write(tmp_path / "u.pkl", other)
    table.to_csv(tmp_path / "meta.csv", index=False)
    store = import_released(tmp_path / "store", *path, meta=tmp_path / "meta.csv", progress=False)
    differ = mixed["M"] != relabelled["M"]
    original = int((differ & (mixed["clip_id"].str.len() == 4)).sum())
    assert store.manifest["label_set"] == "the relabelled set"
    (report,) = store.manifest["repairs"]
    assert report["count"] == differ.sum()
    assert (
        f"{differ.sum():,} of 4,403 clips, {original:,} of them in the original part"
        in report["what"]
    )
    assert (
        "this table has the original CH-SIMS labels there; the pickle's labels are kept"
        in report["what"]
    )
    assert audit(store).label_set == "the relabelled set"


# Kills

CHILD = """
import sys
from avmc_core.data import importing, padding
padding._BLOCK_BYTES = 1
print("ready", flush=True)
importing.import_released(*sys.argv[1:], progress=False)
"""


def test_a_killed_import_leaves_nothing_that_opens(tmp_path, store):
    """SIGKILL at ten moments: no store, or (killed after the last step) the whole one; the next
    import clears up."""
    files = [str(path) for path in factory.released_files(tmp_path)]
    for number in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "store"), *files], stdout=subprocess.PIPE
        )
        child.stdout.readline()
        time.sleep(0.004 * number)
        child.kill()
        child.communicate()
        if (tmp_path / "store").exists():
            assert verify_store(tmp_path / "store").digest == store.digest
            shutil.rmtree(tmp_path / "store")
    assert import_released(tmp_path / "store", *files, progress=False).digest == store.digest
    assert left(tmp_path) == ["store"]


def test_the_partial_store_of_a_living_process_is_left_alone(tmp_path, store):
    """When two imports write to one place at the same time, the first to finish succeeds, and the
    other ends with an error."""
    with pytest.raises(OSError), importing.new_folder(tmp_path / "store") as other:
        factory.imports(tmp_path)
        assert other.is_dir()
    assert left(tmp_path) == ["store"] and verify_store(tmp_path / "store").digest == store.digest


def test_a_full_or_forbidden_place_is_one_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_writer, "write_tensors", full)
    with pytest.raises(InputError, match="No space left"):
        factory.imports(tmp_path)
    assert left(tmp_path) == []
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="a place where a store can be written"):
        import_released(
            tmp_path / "file" / "store", *factory.released_files(tmp_path), progress=False
        )


MEASURE = """
import pathlib, re, sys
from avmc_core.data import importing, padding
padding._BLOCK_BYTES = 2**20
# not ru_maxrss: that starts at what the parent had when it forked
status = pathlib.Path("/proc/self/status")
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) / 1024
before = peak()
importing.import_released(*sys.argv[1:], progress=False)
print(peak() - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Parts of the mapped file that have been read are released: importing 100 MB takes less than
    40 MB."""
    rows = {"train": 120, "valid": 2, "test": 2}
    content = {
        split: factory.columns(split, rows=number, steps=schema.STEPS)
        for split, number in rows.items()
    }
    path = factory.write(tmp_path / "s.pkl", content)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "store"), str(path)], capture_output=True
    )
    assert path.stat().st_size > 100e6 and float(run.stdout) < 40, run
