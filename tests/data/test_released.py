"""Readers and writer of the released files: suitable files are read, and everything else ends in
one clear error."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from functools import partial

import numpy as np
import pandas as pd
import pytest
import released_factory as factory
from label_header import HEADER

from avmc_core import schema
from avmc_core.data import released
from avmc_core.data.released_writer import KEYS, Padded
from avmc_core.errors import InputError

ROW = "video_0001,0001,你好,0.2,-0.4,0.0,1.0,Positive,train"


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_opens_what_pickle_writes(tmp_path, protocol):
    content = factory.supervised()
    splits = released.open_supervised(factory.write(tmp_path / "s.pkl", content, protocol))
    for name in schema.SPLITS:
        assert tuple(splits[name]) == KEYS
        for key, column in content[name].items():
            assert np.array_equal(splits[name][key], column), key


def test_lists_serve_as_well_as_arrays(tmp_path):
    """Other tools write ids, texts, lengths and labels as lists."""
    content = factory.supervised()
    for columns in content.values():
        for key in (
            "id",
            "raw_text",
            "annotations",
            "audio_lengths",
            "vision_lengths",
            *schema.LABEL_KEYS.values(),
        ):
            columns[key] = columns[key].tolist()
    splits = released.open_supervised(factory.write(tmp_path / "s.pkl", content))
    assert np.array_equal(splits["test"]["audio_lengths"], factory.columns("test")["audio_lengths"])
    assert splits["test"]["regression_labels"].dtype == np.float64


LOSSLESS = {  # the same column in another shape or type: the repair that is counted, if any
    "objects": (lambda column: column.astype(object), ""),
    "a list of numpy scalars": (list, ""),
    "a tuple": (lambda column: tuple(column.tolist()), ""),
    "one column": (lambda column: column[:, None], "columns of shape (rows, 1) read as (rows,)"),
    "bytes": (
        lambda column: np.char.encode(column, "utf-8") if column.dtype.kind == "U" else column,
        "columns of bytes read as UTF-8",
    ),
}


@pytest.mark.parametrize("what", LOSSLESS)
def test_columns_as_pandas_and_older_scripts_leave_them(tmp_path, what):
    change, repair = LOSSLESS[what]
    content, repairs = factory.supervised(), Counter()
    keys = (
        "id",
        "raw_text",
        "annotations",
        "audio_lengths",
        "vision_lengths",
        *schema.LABEL_KEYS.values(),
    )
    for columns in content.values():
        columns |= {key: change(columns[key]) for key in keys}
    splits = released.open_supervised(factory.write(tmp_path / "s.pkl", content, 5), repairs)
    for name in schema.SPLITS:
        for key, column in factory.columns(name).items():
            assert np.array_equal(splits[name][key], column), key
    assert list(+repairs) == ([repair] if repair else [])


def test_other_names_of_a_split_and_keys_that_nothing_reads_are_stated(tmp_path):
    content, repairs = factory.supervised(), Counter()
    content["dev"] = content.pop("valid")
    for columns in content.values():
        columns["classification_labels"] = np.zeros(len(columns["id"]))
    splits = released.open_supervised(factory.write(tmp_path / "s.pkl", content), repairs)
    assert list(splits) == list(schema.SPLITS)
    assert +repairs == Counter(
        {"split 'dev' read as valid": 1, "key classification_labels left out": 3}
    )


def test_a_file_as_the_toolkit_writes_it_is_named(tmp_path):
    """It has protocol 5, and the settings of the extraction beside the splits."""
    settings = {
        "audio": {"tool": "opensmile", "args": {"start": None}},
        "text": {"pretrained": "bert-base-chinese"},
    }
    path = factory.write(tmp_path / "s.pkl", factory.supervised() | {"config": settings}, 5)
    assert list(released.open_supervised(path)) == list(schema.SPLITS)
    facts = released.taken_for(path)
    said = "25 acoustic and 177 visual columns; labels of M, T, A and V from -1 to 1"
    assert facts["layout"].startswith(f"a file as MMSA-FET writes it: {said}")
    assert json.loads(facts["config"]) == settings
    plain = released.taken_for(factory.write(tmp_path / "plain.pkl", factory.supervised()))
    assert plain["layout"] == f"the layout of CH-SIMS v2.0: {said} (those of CH-SIMS v2.0)"
    assert plain["dtypes"]["audio"] == "float64" and "config" not in plain


def test_features_of_one_video_are_refused_by_name(tmp_path):
    content = {m: factory.columns("test")[m][0] for m in schema.MODALITIES}
    with pytest.raises(InputError, match=r"of one video; .*avmc predict"):
        released.open_supervised(factory.write(tmp_path / "s.pkl", content, 5))


def test_placeholders_in_the_unlabelled_file_are_left_out(tmp_path):
    content = factory.unsupervised() | {
        "regression_labels": [],
        "annotations": np.zeros(3),
        "mask": None,
    }
    assert "regression_labels" not in released.open_unsupervised(
        factory.write(tmp_path / "u.pkl", content)
    )


def test_the_writer_pads_as_a_loop_does(tmp_path, monkeypatch):
    """Read by the ordinary pickle module, the file holds the arrays that a naive loop pads, for any
    block size."""
    rng = np.random.default_rng(0)
    lengths = np.array([3, 1, 5, 2, 4])
    values = rng.normal(size=(lengths.sum(), 7)).astype(np.float32)
    naive, start = np.zeros((5, 6, 7)), 0
    for row, length in enumerate(lengths):
        naive[row, :length] = values[start : start + length]
        start += length
    for block in (1, 1000, 2**24):
        monkeypatch.setattr("avmc_core.data.released_writer._BLOCK_BYTES", block)
        padded = Padded(values, lengths, 6)
        columns = {
            "text": (padded, padded),
            "audio": padded,
            "id": pd.Series(["a", "bc"]),
            "numbers": [1, 2],
            "x": "text",
        }
        released.write_unsupervised(tmp_path / "x.pkl", columns)
        read = pickle.loads((tmp_path / "x.pkl").read_bytes())
        assert list(read) == ["id", "audio", "text", "numbers", "x"]
        assert read["audio"].dtype == np.float64 and np.array_equal(read["audio"], naive)
        assert np.array_equal(read["text"], np.concatenate([naive, naive]))
        assert (
            read["id"].tolist() == ["a", "bc"]
            and read["numbers"].tolist() == [1, 2]
            and read["x"] == "text"
        )
        read["audio"][:] = 0  # an ordinary, writable array


def test_nothing_half_written_stays(tmp_path):
    with pytest.raises(ValueError):
        released.write_unsupervised(
            tmp_path / "x.pkl", {"audio": Padded(np.zeros((3, 2)), np.array([9, 9]), 4)}
        )
    assert list(tmp_path.iterdir()) == []


def cut(key, rows):
    return lambda columns: columns | {key: columns[key][:rows]}


def put(key, index, value):
    def change(columns):
        array = columns[key].copy()
        array[index] = value
        return columns | {key: array}

    return change


HOSTILE = {  # change of the train split: what the error names
    "missing key": (
        lambda c: {key: value for key, value in c.items() if key != "vision"},
        "no key 'vision'",
    ),
    "unknown key": (lambda c: c | {"video": 1}, "unknown key 'video'"),
    "swapped modalities": (
        lambda c: c | {"audio": c["vision"], "vision": c["audio"]},
        "found 177 acoustic and 25 visual columns; .* not in each other's place",
    ),
    "no array": (lambda c: c | {"text": "text"}, "key text: found a str"),
    "two dimensions": (lambda c: c | {"audio": c["audio"][0]}, "key audio"),
    "integer features": (
        lambda c: c | {"audio": c["audio"].astype(int)},
        "key audio: found an array of <i8",
    ),
    "Fortran order": (lambda c: c | {"audio": np.asfortranarray(c["audio"])}, "Fortran"),
    "rows disagree": (
        cut("regression_labels_V", 3),
        "regression_labels_V: found 3 rows; expected 5",
    ),
    "no rows": (lambda c: {key: value[:0] for key, value in c.items()}, "0 rows"),
    "no steps": (
        lambda c: c | {"text": c["text"][:, :0], "text_bert": c["text_bert"][..., :0]},
        "text_bert, row 0",
    ),
    "tokens without rows": (
        lambda c: c | {"text_bert": c["text_bert"][:, :0]},
        "text_bert: found shape",
    ),
    "length 0": (put("audio_lengths", 2, 0), "audio_lengths, row 2"),
    "length negative": (put("vision_lengths", 1, -4), "vision_lengths, row 1"),
    "length beyond": (put("vision_lengths", 1, 8), "vision_lengths, row 1.*1 to 7"),
    "length fractional": (
        lambda c: c | {"audio_lengths": c["audio_lengths"] + 0.5},
        "whole numbers",
    ),
    "length NaN": (lambda c: c | {"audio_lengths": c["audio_lengths"] * np.nan}, "whole numbers"),
    "lengths as text": (
        lambda c: c | {"audio_lengths": c["id"]},
        "audio_lengths: found an array of <U",
    ),
    "label too large": (put("regression_labels_A", 4, 1.2), "regression_labels_A, row 4.*1.2"),
    "label NaN": (put("regression_labels", 0, np.nan), "regression_labels, row 0.*nan"),
    "labels as text": (
        lambda c: c | {"regression_labels": ["0.2"] * 5},
        "regression_labels: found an array of <U3",
    ),
    "same id twice": (put("id", 1, "train_0000$_$0000"), "2 times"),
    "id with a separator": (put("id", 1, "../../etc/passwd"), "key id, row 1"),
    "id with a backslash": (put("id", 1, "a\\b"), "key id, row 1"),
    "id with a control": (put("id", 3, "a\x1b[2Jb"), "key id, row 3"),
    "id empty": (put("id", 3, ""), "key id, row 3"),
    "id of dots": (put("id", 3, ".."), "key id, row 3"),
    "id without a clip": (put("id", 3, "video$_$"), "key id, row 3"),
    "id with blanks": (put("id", 3, " a"), "key id, row 3"),
    "ids as numbers": (lambda c: c | {"id": np.arange(5)}, "key id: found an array of <i8"),
    "text with NUL": (put("raw_text", 3, "a\0b"), "raw_text, row 3"),
    "one giant text in a list": (lambda c: c | {"raw_text": ["a" * 2**24] + ["b"] * 4}, "at most"),
    "mask with a hole": (put("text_bert", (0, 1), [1, 0, 1, 0, 0, 0]), "text_bert, row 0"),
    "mask empty": (put("text_bert", (2, 1), 0), "text_bert, row 2"),
    "mask of twos": (put("text_bert", (2, 1, 0), 2), "text_bert, row 2"),
    "mask too short": (
        lambda c: c | {"text_bert": c["text_bert"][..., :5]},
        "text_bert: found shape",
    ),
    "negative token": (put("text_bert", (2, 0, 0), -5), "text_bert, row 2"),
    "steps differ": (
        lambda c: c | {"audio": np.pad(c["audio"], ((0, 0), (0, 1), (0, 0)))},
        "steps",
    ),
    "None among texts": (
        lambda c: c | {"raw_text": np.array(["a", None, "b", "c", "d"], object)},
        "key raw_text, row 1: found None; expected text, as in the other rows",
    ),
    "text among labels": (
        lambda c: c | {"regression_labels": [0.2, 0.2, "high", 0.2, 0.2]},
        "key regression_labels, row 2: found 'high'; expected a number",
    ),
    "bytes that are not UTF-8": (
        lambda c: c | {"id": np.array([b"\xff"] * 5)},
        "key id: found bytes that are not UTF-8",
    ),
    "one array per row": (
        lambda c: c | {"text_bert": [np.zeros((3, 6 + row)) for row in range(5)]},
        "key text_bert: found arrays of different shapes",
    ),
    "tokens padded at the start": (
        lambda c: c | {"text_bert": c["text_bert"][..., ::-1].copy()},
        "found tokens padded at the start",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_does_not_fit_is_one_clear_error(tmp_path, name):
    change, named = HOSTILE[name]
    content = factory.supervised()
    content["train"] = change(content["train"])
    with pytest.raises(InputError, match=named):
        released.open_supervised(factory.write(tmp_path / "s.pkl", content))


@pytest.mark.parametrize(
    "content",
    [[], {}, {"train": {}}, {"train": [], "valid": 1, "test": None}, {1: 2}, "text", None],
)
def test_other_objects_are_refused(tmp_path, content):
    path = factory.write(tmp_path / "x.pkl", content)
    for read in (
        released.open_supervised,
        released.open_unsupervised,
        partial(released.mark, name="simulated"),
    ):
        if isinstance(read, partial) and content in (
            {},
            {"train": {}},
            {"train": [], "valid": 1, "test": None},
        ):
            continue
        with pytest.raises(InputError):
            read(path)


def test_files_are_not_taken_for_one_another(tmp_path):
    supervised, unsupervised = factory.released_files(tmp_path)
    with pytest.raises(InputError, match=r"one split alone, .* is given with --unsupervised"):
        released.open_supervised(unsupervised)
    with pytest.raises(InputError, match=r"a file with splits; .* given with --supervised"):
        released.open_unsupervised(supervised)


def meta(tmp_path, text: str, encoding: str = "utf-8"):
    path = tmp_path / "meta.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_meta_in_its_encodings(tmp_path, encoding, newline):
    rows = [
        HEADER,
        ROW,
        'video_0001,00002_1,"说,""好""\n再见",-0.1,-0.1,-0.1,-0.1,,test',
        "v,3,x,,,,,,",
    ]
    table = released.read_meta(meta(tmp_path, newline.join(rows) + newline, encoding))
    assert (
        table["clip_id"].tolist() == ["0001", "00002_1", "3"]
        and table["text"][1] == '说,"好"\n再见'
    )
    assert (
        table.loc[0, ["M", "T", "A", "V"]].tolist() == [0.2, -0.4, 0.0, 1.0]
        and table["M"][1] == -0.1
    )
    assert (
        table["split"].tolist() == ["train", "test", "unlabelled"]
        and table.loc[2, list("MTAV")].isna().all()
    )
    assert [repair["what"] for repair in table.attrs["repairs"]] == (
        ["meta.csv was read as gb18030"] if encoding == "gb18030" else []
    )


def test_meta_of_the_unlabelled_part_has_no_mode(tmp_path):
    table = released.read_meta(meta(tmp_path, HEADER.removesuffix(",mode") + "\nv,1,x,,,,,\n"))
    assert table["split"].tolist() == ["unlabelled"]


def test_unused_columns_of_meta_are_stated(tmp_path):
    table = released.read_meta(meta(tmp_path, f"{HEADER},speaker\n{ROW},7\n"))
    assert table.attrs["repairs"] == [{"what": "columns of meta.csv left out: speaker", "count": 1}]
    assert "speaker" not in table


BAD_META = {
    "empty": ("", "an empty file"),
    "no rows": (HEADER, "no rows"),
    "missing column": (HEADER.replace("label_A,", "") + "\n", "line 1: found no column label_A"),
    "column twice": (HEADER + ",text\n", "a second column text"),
    "short line": (f"{HEADER}\n{ROW}\nv,1,x", "line 3: found 3 fields"),
    "long line": (f"{HEADER}\n{ROW},x", "line 2: found 10 fields"),
    "clip twice": (f"{HEADER}\n{ROW}\n{ROW}", "line 3.*video_0001/0001 again"),
    "label no number": (
        f"{HEADER}\n{ROW.replace('0.2', 'high')}",
        "line 2, column label: found 'high'",
    ),
    "label NaN": (f"{HEADER}\n{ROW.replace('0.2', 'nan')}", "column label"),
    "label too large": (f"{HEADER}\n{ROW.replace('-0.4', '-1.4')}", "column label_T: found '-1.4'"),
    "label missing": (f"{HEADER}\n{ROW.replace('-0.4', '')}", "3 labels"),
    "labels without a split": (
        f"{HEADER}\n{ROW.replace('train', '')}",
        "4 labels in a row of split unlabelled",
    ),
    "unknown split": (f"{HEADER}\n{ROW.replace('train', 'else')}", "column mode: found 'else'"),
    "path in an id": (f"{HEADER}\n{ROW.replace('video_0001', '../x')}", "column video_id"),
    "id empty": (f"{HEADER}\n{ROW.replace('0001,你', ',你')}", "column clip_id"),
    "NUL": (f"{HEADER}\n{ROW.replace('你', chr(0))}", "NUL|line"),
    "open quote": (f'{HEADER}\n{ROW}\nv,1,"x', "well-formed CSV"),
    "giant field": (f"{HEADER}\nv,1,{'x' * 200_000},,,,,,", "well-formed CSV"),
}


@pytest.mark.parametrize("name", BAD_META)
def test_bad_meta_is_one_clear_error(tmp_path, name):
    text, named = BAD_META[name]
    with pytest.raises(InputError, match=named):
        released.read_meta(meta(tmp_path, text))


def test_meta_that_is_no_text(tmp_path):
    for data in (b"\xff\xfe\x00\x81\x20", bytes(range(256))):
        (tmp_path / "meta.csv").write_bytes(data)
        with pytest.raises(InputError):
            released.read_meta(tmp_path / "meta.csv")
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError):
            released.read_meta(path)
