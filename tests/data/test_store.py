"""Import, store and export preserve every bit, and damaged stores are refused."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil

import numpy as np
import pytest
import released_factory as factory
from hypothesis import given
from hypothesis import strategies as st

from avmc_core import schema
from avmc_core.data import padding
from avmc_core.data.exporting import export_released
from avmc_core.data.importing import import_released
from avmc_core.data.ragged import Ragged
from avmc_core.data.store import CLIP_COLUMNS, open_store, verify_store
from avmc_core.errors import InputError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return import_released(folder / "store", *factory.released_files(folder), progress=False)


# The round trip


@pytest.mark.parametrize("split", factory.ROWS)
def test_features_lengths_and_labels_are_equal_to_the_bit(store, split):
    """Compared clip by clip with the arrays that went in."""
    source, read = factory.columns(split), store.split(split)
    assert (
        len(read) == len(read.clips) == factory.ROWS[split]
        and tuple(read.clips.columns) == CLIP_COLUMNS
    )
    for modality in schema.MODALITIES:
        ragged = getattr(read, modality)
        lengths = (
            source["text_bert"][:, 1].sum(1)
            if modality == "text"
            else source[f"{modality}_lengths"]
        )
        assert np.array_equal(ragged.lengths, lengths) and np.array_equal(
            read.clips[f"{modality}_length"], lengths
        )
        assert ragged.steps == factory.STEPS[modality] and len(ragged) == factory.ROWS[split]
        for row, length in enumerate(lengths):
            assert ragged[row].dtype == np.float32
            assert (
                ragged[row].tobytes() == source[modality][row, :length].astype(np.float32).tobytes()
            )
    assert (
        read.clips["id"].tolist() == source["id"].tolist()
        and read.clips["text"].tolist() == source["raw_text"].tolist()
    )
    assert (read.clips["video_id"] + "$_$" + read.clips["clip_id"]).tolist() == source[
        "id"
    ].tolist()
    assert np.array_equal(read.tokens, source["text_bert"])
    labelled = split != schema.UNLABELLED
    assert read.mask.tolist() == [labelled] * len(read)
    for place, task in enumerate(schema.TASKS):
        expected = source[schema.LABEL_KEYS[task]] if labelled else np.full(len(read), np.nan)
        assert np.array_equal(read.clips[task], expected, equal_nan=True)
        assert np.array_equal(read.labels[:, place], expected.astype(np.float32), equal_nan=True)
    assert read.clips["annotation"].tolist() == (
        source["annotations"].tolist() if labelled else [""] * len(read)
    )


def test_train_mix_is_a_view_of_train_and_unlabelled(store):
    """D15: every labelled and every unlabelled clip, including the first one."""
    mix, train, other = (store.split(name) for name in ("train_mix", "train", "unlabelled"))
    assert mix.mask.tolist() == [True] * 5 + [False] * 6
    assert mix.clips["id"].tolist() == [*train.clips["id"], *other.clips["id"]]
    for modality in schema.MODALITIES:
        ragged = getattr(mix, modality)
        assert ragged.parts[0][0] is getattr(train, modality).parts[0][0]
        assert np.shares_memory(ragged[5], getattr(other, modality)[0]) and np.array_equal(
            ragged[-1], ragged[10]
        )
    with pytest.raises(IndexError):
        mix.audio[11]
    with pytest.raises(IndexError):
        mix.audio[-12]


def test_an_unknown_split_is_named(store, tmp_path):
    with pytest.raises(InputError, match="no split 'dev'"):
        store.split("dev")
    alone = import_released(
        tmp_path / "store", factory.write(tmp_path / "s.pkl", factory.supervised()), progress=False
    )
    for name in ("unlabelled", "train_mix"):
        with pytest.raises(InputError, match="no split 'unlabelled'"):
            alone.split(name)


def test_blocks_do_not_matter(store, tmp_path, monkeypatch):
    monkeypatch.setattr(padding, "_BLOCK_BYTES", 1)
    assert factory.imports(tmp_path).digest == store.digest


def test_export_and_import_give_the_same_store(store, tmp_path):
    """Equal digests: every file of both stores has the same bytes."""
    again = import_released(tmp_path / "store", *export_released(store, tmp_path), progress=False)
    assert again.digest == store.digest and not again.simulated


def test_the_export_is_what_other_code_expects(store, tmp_path):
    """Read by the ordinary pickle module, it has the released keys and types, and train_mix and
    mask besides."""
    paths = export_released(store, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["ch-simsv2s.pkl", "ch-simsv2u.pkl"]
    first, second = (pickle.loads(path.read_bytes()) for path in paths)
    assert list(first) == ["train", "valid", "test", "train_mix"]
    for name, columns in first.items():
        assert list(columns) == [*factory.columns("train"), "mask"]
        if name == "train_mix":
            assert (
                columns["mask"].tolist() == [1] * 5 + [0] * 6
                and not columns["regression_labels"][5:].any()
            )
            assert np.array_equal(columns["vision"][:5], first["train"]["vision"])
            assert np.array_equal(columns["vision"][5:], second["vision"])
            continue
        for key, expected in factory.columns(name).items():
            assert (
                np.array_equal(columns[key], expected)
                and columns[key].dtype.kind == expected.dtype.kind
            ), key
        assert columns["mask"].all()
    for key, expected in factory.unsupervised().items():
        assert np.array_equal(second[key], expected), key
    with pytest.raises(InputError, match="already there"):
        export_released(store, tmp_path / "new" / "folder")


def test_a_simulated_corpus_stays_marked(tmp_path):
    """The mark survives the export, so that results computed from the exported files carry it
    too."""
    made = factory.imports(tmp_path, simulated={"seed": 1})
    assert made.simulated and made.manifest["generator"] == {"seed": 1}
    paths = export_released(made, tmp_path / "export")
    again = import_released(tmp_path / "again", *paths, progress=False)
    assert (
        again.simulated
        and again.manifest["generator"] == {"seed": 1}
        and again.digest == made.digest
    )
    with pytest.raises(InputError, match="real and simulated"):
        import_released(tmp_path / "mixed", paths[0], tmp_path / "u.pkl", progress=False)


@pytest.mark.parametrize("facts", ["{", "[]", "3", '{"approximation": 1}', "{}"])
def test_a_mark_of_rubbish_is_refused(tmp_path, facts):
    for name in ("simulated", "extracted"):
        content = {split: factory.columns(split) for split in ("train", "valid", "test")} | {
            name: facts
        }
        path = factory.write(tmp_path / "s.pkl", content)
        if name == "extracted" or not facts.endswith("}"):
            with pytest.raises(InputError, match=f"key {name}"):
                import_released(tmp_path / name, path, progress=False)


# Ragged


def test_padded_equals_a_loop(store):
    ragged = store.split("train_mix").audio
    rows = np.array([7, 0, 10, 4, 7])
    for steps in (None, 3, 9, 12):
        longest = max(ragged.lengths[rows]) if steps is None else steps
        naive = np.zeros((5, longest, 25), np.float32)
        for place, row in enumerate(rows):
            length = min(longest, ragged.lengths[row])
            naive[place, :length] = ragged[row][:length]
        assert np.array_equal(ragged.padded(rows, steps), naive)
    assert ragged.padded(np.array([], int)).shape == (0, 0, 25)
    with pytest.raises(IndexError):
        ragged.padded(np.array([11]))


def test_first_and_mean_equal_a_loop(store, monkeypatch):
    for block in (1, 5, 2**16):
        monkeypatch.setattr("avmc_core.data.ragged._BLOCK_STEPS", block)
        for ragged in (store.split("train_mix").vision, store.split("valid").text):
            clips = [ragged[row] for row in range(len(ragged))]
            assert np.array_equal(ragged.first(), [clip[0] for clip in clips])
            assert np.array_equal(
                ragged.mean(),
                np.array([clip.mean(0, dtype=np.float64) for clip in clips], np.float32),
            )


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=30), block=st.integers(1, 40))
def test_means_of_any_lengths(lengths, block):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(2 * offsets[-1], dtype=np.float32).reshape(-1, 2)
    ragged = Ragged.of(((values, offsets),), 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avmc_core.data.ragged._BLOCK_STEPS", block)
        assert np.allclose(
            ragged.mean(), [part.mean(0) for part in np.split(values, offsets[1:-1])], rtol=1e-6
        )


# Damaged stores


@pytest.fixture
def copy(store, tmp_path):
    return shutil.copytree(store.path, tmp_path / "copy")


def test_a_file_that_is_missing_or_of_another_size_is_named(store, copy):
    for name in store.manifest["files"]:
        whole = (copy / name).read_bytes()
        for damage in (
            lambda p: p.unlink(),
            lambda p: p.write_bytes(b""),
            lambda p: p.write_bytes(p.read_bytes()[:-1]),
        ):
            damage(copy / name)
            with pytest.raises(InputError, match=name.replace(".", r"\.")):
                open_store(copy)
            (copy / name).write_bytes(whole)
    assert open_store(copy).digest == store.digest


def test_every_changed_byte_is_found_by_verification(store, copy):
    """One byte in the middle of each file is changed; opening may miss it, verifying must not."""
    for name in store.manifest["files"]:
        whole = bytearray((copy / name).read_bytes())
        whole[len(whole) // 2] ^= 1
        (copy / name).write_bytes(whole)
        with contextlib.suppress(InputError):
            open_store(copy)
        with pytest.raises(InputError):
            verify_store(copy)
        shutil.copyfile(store.path / name, copy / name)
    assert verify_store(copy).digest == store.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(schema_version=99),
        lambda m: m.update(kind="simulated"),
        lambda m: m.update(kind="other"),
        lambda m: m.update(kind="simulated", generator={"seed": 1}),
        lambda m: m.update(digest="0" * 64),
        lambda m: m["splits"].update(train=4),
        lambda m: m["splits"].pop("valid"),
        lambda m: m["steps"].update(audio=2),
        lambda m: m["steps"].update(audio=900),  # padding that nobody imported
        lambda m: m["source"].update(extraction={"approximation": ""}),
        lambda m: m.update(source=3),
        lambda m: m["dims"].update(audio=24),
        lambda m: m.pop("files"),
        lambda m: m.update(files=[]),
        lambda m: m["files"].pop("clips.csv"),
        lambda m: m["files"].update({"../x": {"size": 1, "sha256": ""}}),
        lambda m: m["files"]["clips.csv"].update(sha256="0" * 64),
        lambda m: m["files"]["clips.csv"].pop("size"),
        lambda m: m.update(splits=3),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy, change):
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError):
        open_store(copy)


def test_a_simulated_corpus_cannot_pass_for_a_real_store(tmp_path):
    made = factory.imports(tmp_path, simulated={"seed": 1})
    manifest = json.loads((made.path / "manifest.json").read_text())
    del manifest["generator"]
    for mark in ({"kind": "real"}, {"kind": "simulated", "generator": {"seed": 2}}):
        (made.path / "manifest.json").write_text(json.dumps({**manifest, **mark}))
        with pytest.raises(InputError, match="digest"):
            open_store(made.path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000, "\xff"])
def test_a_manifest_that_is_none_is_refused(copy, text):
    (copy / "manifest.json").write_bytes(text.encode("latin1"))
    with pytest.raises(InputError, match="manifest"):
        open_store(copy)


def test_no_store_at_all(tmp_path):
    for path in (tmp_path, tmp_path / "missing", factory.write(tmp_path / "x.pkl", 1)):
        with pytest.raises(InputError):
            open_store(path)
