"""The pickle reader reads plain data and arrays without loading them into memory, and refuses
everything else."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import pickle
import struct
import tracemalloc
import zlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickle_programs import HEAD, PIECES, PLAIN, array_opcodes, text, write

from avmc_core.data.unpickle import read_pickle
from avmc_core.errors import InputError


def same(left, right) -> bool:
    if isinstance(left, np.ndarray):
        if left.dtype == right.dtype == object:
            return left.shape == right.shape and same(left.tolist(), right.tolist())
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    if isinstance(left, (list, tuple)):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_what_numpy_and_pickle_write(tmp_path, protocol):
    assert same(PLAIN, read_pickle(write(tmp_path, pickle.dumps(PLAIN, protocol))))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_reads_the_spelling_of_numpy_1(tmp_path, protocol):
    """numpy 1 wrote numpy.core where numpy 2 writes numpy._core."""
    data = pickle.dumps(PLAIN["f8"], protocol)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    new, old = (new, old) if protocol < 5 else (b"numpy._core.numeric", b"numpy.core.numeric")
    if protocol >= 4:  # the name's length, and the frame's, stand before it
        data = data.replace(bytes([len(new)]) + new, bytes([len(old)]) + old)
        data = data[:3] + struct.pack("<Q", len(data) - 11) + data[11:]
    else:
        data = data.replace(new, old)
    assert old in data and same(PLAIN["f8"], read_pickle(write(tmp_path, data)))


@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_stay_in_the_file(tmp_path, protocol):
    array = np.random.default_rng(0).normal(size=(200, 10_000))
    path = write(tmp_path, pickle.dumps({"a": array}, protocol))
    tracemalloc.start()
    read = read_pickle(path)["a"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000 and not read.flags.writeable and np.array_equal(read, array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}], dtype=object),
        np.array([["a", "b"], ["c", "d"]], dtype=object),
        np.array([np.zeros(2), "a"], dtype=object),
        np.array([1j]),
        np.array(["2022-11-07"], dtype="M8[D]"),
        np.array([(1, 2.0)], dtype="i4,f8"),
        np.void(b"abc"),
        np.ma.masked_array([1, 2], mask=[0, 1]),
        b"bytes",
        2**64,
        {1, 2},
        1j,
    ],
    ids=repr,
)
def test_other_types_are_refused(tmp_path, array):
    for protocol in (2, 3, 4, 5):
        with pytest.raises(InputError):
            read_pickle(write(tmp_path, pickle.dumps({"a": array}, protocol)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_error_names_the_keys_that_lead_to_the_value(tmp_path, protocol):
    content = {"train": {"id": ["a"], "labels": pd.Series([1.0]), "text": "x"}, "test": {}}
    with pytest.raises(
        InputError, match=r"key 'train' / 'labels': found the global 'pandas.* expected .*to_numpy"
    ):
        read_pickle(write(tmp_path, pickle.dumps(content, protocol)))


def made_by(write, **content) -> bytes:
    """The bytes of a file that ``write(file, **content)`` makes."""
    file = io.BytesIO()
    write(file, **content)
    return file.getvalue()


FOREIGN = {
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a pointer of Git LFS; .*git lfs pull",
    ),
    "page": (b"<!DOCTYPE html><html>Quota exceeded</html>", "a web page"),
    "gzip": (gzip.compress(pickle.dumps(1, 4)), "a gzip archive; .*unpacked"),
    "xz": (lzma.compress(pickle.dumps(1, 4)), "an xz archive"),
    "joblib": (zlib.compress(pickle.dumps(1, 4)), "a compressed file of joblib"),
    "zip": (b"PK\x03\x04" + bytes(60), "a zip archive; .*unpacked"),
    "numpy.savez": (
        made_by(np.savez, audio=np.zeros(3)),
        "a zip archive written by numpy.savez; .*pickle.dump",
    ),
    "torch.save": (
        b"PK\x03\x04" + bytes(26) + b"archive/data.pkl",
        "a zip archive written by torch.save; .*pickle.dump",
    ),
    "cut": (pickle.dumps(b"0" * 9000, 4)[:5000], "the whole file: this one was cut"),
    "zeros": (bytes(900), "nothing but zeros"),
    "protocol 0": (pickle.dumps({"train": {}}, 0), "a pickle of protocol 0 or 1; .*protocol=4"),
    "protocol 1": (pickle.dumps({"train": {}}, 1), "a pickle of protocol 0 or 1"),
    "a new protocol": (b"\x80\x09N.", "pickle protocol 9; expected a pickle of protocol 2 to 5"),
    "sent as text": (
        pickle.dumps({"a": np.arange(10)}, 4).replace(b"\n", b"\r\n"),
        "line ends that were rewritten, .*binary mode",
    ),
    "an end of zeros": (
        pickle.dumps({"a": 1.0, "b": "x" * 90}, 3)[:20] + bytes(200),
        "zeros where the data should go on.*the whole file",
    ),
    "Python 2": (b"\x80\x02}q\x00U\x05trainq\x01K\x01s.", "a pickle of Python 2; .*latin1"),
    "Parquet": (b"PAR1" + bytes(60), "a Parquet file"),
    "an array of arrays": (
        pickle.dumps(np.array([np.zeros(2), np.zeros(3)], dtype=object), 4),
        "an object array of ndarrays; expected one array, padded with zeros",
    ),
    "buffers apart": (
        pickle.dumps(np.zeros(3), 5, buffer_callback=[].append),
        "arrays whose bytes were stored separately",
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_there_instead_of_a_pickle_is_named(tmp_path, what):
    data, named = FOREIGN[what]
    with pytest.raises(InputError, match=named):
        read_pickle(write(tmp_path, data))


@pytest.mark.parametrize(
    "body",
    [
        array_opcodes(b"(K\x03t", "f8", b"C\x08" + b"\0" * 8),  # too few bytes
        array_opcodes(b"(J\xff\xff\xff\xfft", "f8", b"C\x08" + b"\0" * 8),  # a negative size
        # 2**63 - 1 rows of nothing
        array_opcodes(b"(\x8a\x08" + b"\xff" * 7 + b"\x7fK\x00t", "f8", b"C\x00"),
        array_opcodes(b"(\x88t", "f8", b"C\x08" + b"\0" * 8),  # a bool for a size
        array_opcodes(b"(K\x01t", "U0", b"C\x00"),
        array_opcodes(b"(K\x01t", "U1", b"C\x04\xff\xff\xff\x7f"),  # no character
        array_opcodes(b"(K\x01t", "U1", b"C\x04\x00\xd8\x00\x00"),  # a surrogate
        array_opcodes(b"(K\x01t", "O", b"C\x08" + b"\0" * 8),
        array_opcodes(b"(K\x01t", "O8", b"C\x08" + b"\0" * 8),  # bytes for objects
        array_opcodes(b"(K\x02t", "O8", b"]"),  # too few of them
        array_opcodes(b"(K\x01t", "f8", b"]"),  # objects for bytes
        array_opcodes(b"(K\x01t", "f8,f8", b"C\x10" + b"\0" * 16),
        # never filled
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R",
        b"cnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R",  # a bare dtype
        b"cnumpy\nndarray\n",  # a bare global
        b"]q\x00h\x00a",  # a list that contains itself
        b"}q\x00K\x01h\x00s",  # a dict that contains itself
        b"](q\x00",  # a mark left open
        b"NN",
        b"}(K\x01u",
        b"}](K\x01tK\x01s",  # an unhashable key
        b"}()K\x01u",  # a tuple as a key
        text("a")[:-1],
        b"X\x02\0\0\0\xff\xff",  # no UTF-8
        b"c" + b"a" * 10_000,
        b"h\x07",
    ],
)
def test_damaged_objects_are_refused(tmp_path, body):
    with pytest.raises(InputError, match=r"x\.pkl, byte \d+(, key .*)?: found .*; expected "):
        read_pickle(write(tmp_path, HEAD + body + b"."))


def test_files_that_are_no_pickles(tmp_path):
    os.mkfifo(tmp_path / "fifo")  # opening it would wait forever
    for path in (tmp_path, tmp_path / "missing", tmp_path / "fifo", write(tmp_path, b"")):
        with pytest.raises(InputError):
            read_pickle(path)
    for data in (b"\x80", b"\x80\x04", b"hello", b"PK\x03\x04" * 9, pickle.dumps(1, 0)):
        with pytest.raises(InputError):
            read_pickle(write(tmp_path, data))
    with pytest.raises(InputError, match="3 bytes before"):
        read_pickle(write(tmp_path, pickle.dumps(PLAIN, 4) + b"abc"))


def test_every_truncation_is_refused(tmp_path):
    data = pickle.dumps(PLAIN, 4)
    for size in range(0, len(data), 3):
        with pytest.raises(InputError):
            read_pickle(write(tmp_path, data[:size]))


SMALL = pickle.dumps(
    {"id": np.array(["a$_$1", "b$_$2"]), "x": np.arange(4.0), "l": [1, "b", None, (2.5, True)]}, 4
)
FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def only_plain(value) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(only_plain, value))
    if isinstance(value, dict):
        return all(type(key) in (str, int) and only_plain(item) for key, item in value.items())
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufUSO" and not value.flags.writeable
    return value is None or type(value) in (str, int, float, bool) or isinstance(value, np.generic)


def ends_clearly(path):
    with contextlib.suppress(InputError):
        assert only_plain(read_pickle(path))


@FUZZ
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_changed_bytes_end_clearly(tmp_path, changes):
    """200 files with one to four changed bytes: each gives plain data or one InputError."""
    data = bytearray(SMALL)
    for place, byte in changes:
        data[place] = byte
    ends_clearly(write(tmp_path, bytes(data)))


@FUZZ
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
def test_random_programs_end_clearly(tmp_path, pieces):
    """200 random sequences of the admitted opcodes, globals and operands."""
    ends_clearly(write(tmp_path, HEAD + b"".join(pieces) + b"."))
