"""Label tables and OpenFace tables in every encoding and state."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from label_header import NAMES

from avmc_core import schema
from avmc_core.clips.openface import read_csv
from avmc_core.data.label_table import COLUMNS, read_meta
from torture import sandbox
from torture.case import Case, damaged

ROWS = [
    ("video_0001", "0001", "今天天气真好", "0.6", "0.4", "0.2", "0.0", "Positive", "train"),
    ("video_0001", "0002", '他说："不",\n再见', "-0.4", "-0.6", "0.2", "-1.0", "Negative", "valid"),
    ("video_0002", "0001", "NA", "0.0", "0.0", "-0.2", "0.2", "Neutral", "test"),
]
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "gb18030",
    "gbk",
    "gb2312",
    "big5",
    "utf-16",
    "utf-16-le",
    "utf-32",
    "shift_jis",
    "utf-7",
    "latin-1",
)
SEPARATORS = {"semicolons": ";", "tabs": "\t", "bars": "|"}
FRAMES = 25


def text_of(rows: list[tuple], header: tuple = NAMES, **style) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, **style).writerows([header, *rows])
    return out.getvalue()


def _row(**changes) -> tuple:
    return tuple({**dict(zip(NAMES, ROWS[0], strict=True)), **changes}.values())


def _ids(*pairs: tuple[str, str]) -> list[tuple]:
    return [_row(video_id=video, clip_id=clip) for video, clip in pairs]


CELLS = {
    "label": (
        "",
        "nan",
        "inf",
        "-inf",
        "1.2",
        "-1.01",
        "1e400",
        "1_0",
        "0,6",
        "０.６",
        "0x1",
        "six",
        " 0.6 ",
        "-0.1",
        "0.33",
        "+1",
        "1e-320",
        "--1",
        "0.6\n",
        "TRUE",
        "=0.6",
    ),
    "label_T": ("", "nan", "2", "-0.1"),
    "video_id": (
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        " a",
        "a ",
        "a$_$b",
        "a" * 300,
        "\u202eb",
        "C:",
        "-rf",
        "0001",
        "1e5",
        "NA",
        '"',
    ),
    "clip_id": ("", "..", "a/b", "1$_$2", "0001 ", "0001", "1", "nan"),
    "text": ("", "a\0b", "a" * 200_000, '"', "'", "a\rb", "\ufeff", "=cmd|' /C calc'!A0"),
    "mode": ("", "dev", "Train", "train ", "unlabelled", "train\n"),
    "annotation": ("", "Weakly Positive", "a\0b"),
}
BLANKS = " \t\u00a0\u3000\u200b\ufeff"  # around ids
TABLES: dict[str, bytes] = {
    **{f"encoded as {name}": text_of(ROWS).encode(name, "replace") for name in ENCODINGS},
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + text_of(ROWS).encode(),
    "unix line ends": text_of(ROWS, lineterminator="\n").encode(),
    "old Mac line ends": text_of(ROWS, lineterminator="\r").encode(),
    "semicolons": text_of(ROWS, delimiter=";").encode(),
    "tabs": text_of(ROWS, delimiter="\t").encode(),
    "bars": text_of(ROWS, delimiter="|").encode(),
    "semicolons and decimal commas": text_of(
        [tuple(cell.replace(".", ",") for cell in row) for row in ROWS], delimiter=";"
    ).encode(),
    "the separator in the first line": b"sep=;\r\n" + text_of(ROWS, delimiter=";").encode(),
    "tabs in utf-16": text_of(ROWS, delimiter="\t").encode("utf-16"),
    "semicolons in big5": text_of(ROWS, delimiter=";").encode("big5", "replace"),
    "blank rows": text_of(ROWS).encode() + b",,,,,,,,\r\n" * 3,
    "blank columns": text_of([(*row, "", "") for row in ROWS], (*NAMES, "", "")).encode(),
    "blank columns in the rows alone": text_of([(*row, "", "") for row in ROWS]).encode(),
    "a column of row numbers": text_of(
        [(str(n), *row) for n, row in enumerate(ROWS)], ("", *NAMES)
    ).encode(),
    "merged cells": text_of([ROWS[0], ("", *ROWS[1][1:]), ROWS[2]]).encode(),
    "traditional characters in gb18030": text_of([_row(text="我覺得這部電影真的很好看")]).encode(
        "gb18030"
    ),
    "traditional characters in big5": text_of([_row(text="我覺得這部電影真的很好看")]).encode(
        "big5"
    ),
    "half in gb18030": text_of(ROWS[:2]).encode() + text_of([ROWS[0]]).encode("gb18030"),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "a web page": b"<!DOCTYPE html><html></html>",
    "a workbook": b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml",
    "everything quoted": text_of(ROWS, quoting=csv.QUOTE_ALL).encode(),
    "an open quote": text_of(ROWS).encode() + b'"a,b',
    "a stray quote": text_of(ROWS).encode() + b'a"b,0001,x,0,0,0,0,x,train\r\n',
    "empty": b"",
    "a line end": b"\n",
    "a header alone": text_of([]).encode(),
    "no header": text_of(ROWS[1:], ROWS[0]).encode(),
    "blank lines": text_of(ROWS).replace("\r\n", "\r\n\r\n").encode(),
    "a short line": text_of([*ROWS, ("a", "b")]).encode(),
    "a long line": text_of([*ROWS, (*ROWS[0], "more")]).encode(),
    "a column twice": text_of([(*row, row[0]) for row in ROWS], (*NAMES, "video_id")).encode(),
    "columns more": text_of(
        [(*row, "x", "y") for row in ROWS], (*NAMES, "speaker", "小时")
    ).encode(),
    "columns turned": text_of([row[::-1] for row in ROWS], NAMES[::-1]).encode(),
    "blanks in the header": text_of(ROWS, tuple(f" {name}" for name in NAMES)).encode(),
    "capitals in the header": text_of(ROWS, tuple(name.upper() for name in NAMES)).encode(),
    "a clip twice": text_of([ROWS[0], ROWS[0]]).encode(),
    "a clip in two splits": text_of([ROWS[0], _row(mode="test")]).encode(),
    "ids that meet when joined": text_of(_ids(("a$_$b", "c"), ("a", "b$_$c"))).encode(),
    "ids that differ in case": text_of(_ids(("a", "1"), ("A", "1"))).encode(),
    "zeros": bytes(5000),
    "a pickle": b"\x80\x04cos\nsystem\n.",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "a very long line": text_of([_row(text="字" * 2**20)]).encode(),
    **{
        f"without {name}": text_of(
            [row[:i] + row[i + 1 :] for row in ROWS], NAMES[:i] + NAMES[i + 1 :]
        ).encode()
        for i, name in enumerate(NAMES)
    },
    **{
        f"{name} {value[:20]!r}": text_of([_row(**{name: value}), *ROWS[1:]]).encode()
        for name, values in CELLS.items()
        for value in values
    },
}


def meta(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Encodings, dialects, missing and strange columns, ids, labels; then tables cut or with
    changed bytes."""
    for name, data in TABLES.items():
        yield _case(f"meta.csv: {name}", "meta.csv", data, read_and_compare)
    whole = [text_of(ROWS).encode(name) for name in ("utf-8", "utf-8-sig", "gb18030")]
    for number in range(count):
        data = damaged(whole[rng.integers(3)], rng)
        yield _case(f"damaged meta.csv {number}", "meta.csv", data, read_and_compare)


def _case(name: str, file: str, data: bytes, read: Callable[[Path], str]) -> Case:
    return Case(name, lambda folder: (folder / file).write_bytes(data), read)


def read_and_compare(folder: Path) -> str:
    """What is read must be what Python's csv module reads in the encoding that is stated."""
    table = read_meta(folder / "meta.csv")
    stated = " ".join(repair["what"] for repair in table.attrs["repairs"])
    encoding = re.search(r"was read as (\S+)", stated)
    text = (
        (folder / "meta.csv")
        .read_bytes()
        .decode(encoding[1] if encoding else "utf-8-sig")
        .removeprefix("\ufeff")
    )
    separator = next(
        (sign for name, sign in SEPARATORS.items() if f"read with {name} between" in stated), ","
    )
    reader = csv.DictReader(
        io.StringIO(text.removeprefix(f"sep={separator}\r\n"), newline=""), delimiter=separator
    )
    known = {name.lower(): name for name in NAMES}
    rows = [
        {known.get(str(name).strip().lower(), name): value for name, value in row.items()}
        for row in reader
        if any(value and not isinstance(value, list) and value.strip() for value in row.values())
    ]
    for row in rows:
        row |= {name: row[name].strip(BLANKS) for name in ("video_id", "clip_id")}
        if "mode" in row:
            row["mode"] = {"dev": "valid"}.get(mode := row["mode"].strip().lower(), mode)
    for row in rows if separator != "," else []:
        row |= {name: row[name].replace(",", ".") for name in COLUMNS}
    if len(rows) != len(table) or len({(row["video_id"], row["clip_id"]) for row in rows}) != len(
        rows
    ):
        raise sandbox.Accepted(f"{len(table)} rows of {len(rows)}")
    for row, ours in zip(rows, table.to_dict("records"), strict=True):
        if any(row[name] != ours[name] for name in ("video_id", "clip_id", "text", "annotation")):
            raise sandbox.Accepted(f"{ours} instead of {row}")
        for name, task in COLUMNS.items():
            if not (
                ours[task] == float(row[name] or "nan")
                or (ours[task] != ours[task] and not row[name].strip())
            ):
                raise sandbox.Accepted(f"{task} {ours[task]} instead of {row[name]}")
        if ours["split"] != (row.get("mode") or schema.UNLABELLED):
            raise sandbox.Accepted(f"split {ours['split']} instead of {row.get('mode')}")
    return sandbox.REPAIRED if stated else sandbox.HARMLESS


# --- OpenFace


def face_rows(frames: int = FRAMES) -> tuple[list[str], list[list[str]]]:
    names = ["frame", "face_id", "timestamp", "confidence", "success", *schema.columns("vision")]
    rng = np.random.default_rng(0)
    rows = [
        [str(f + 1), "0", f"{f / 25:.3f}", "0.98", "1", *(f"{v:.3f}" for v in rng.normal(size=177))]
        for f in range(frames)
    ]
    return names, rows


def face_csv(names: list[str], rows: list[list[str]]) -> bytes:
    return "\n".join(", ".join(line) for line in (names, *rows)).encode() + b"\n"


def faces(rng: np.random.Generator, count: int) -> Iterator[Case]:
    """OpenFace's CSV files: columns missing, values that are not numbers, times that run backwards,
    no rows; cut and changed."""
    names, rows = face_rows()
    listed = {
        "empty": b"",
        "a header alone": face_csv(names, []),
        "one row": face_csv(names, rows[:1]),
        "no header": face_csv(rows[0], rows[1:]),
        "rows turned": face_csv(names, rows[::-1]),
        "rows twice": face_csv(names, rows + rows),
        "a short row": face_csv(names, [*rows, rows[0][:9]]),
        "a long row": face_csv(names, [*rows, [*rows[0], "1"]]),
        "utf-16": face_csv(names, rows).decode().encode("utf-16"),
        "byte order mark": b"\xef\xbb\xbf" + face_csv(names, rows),
        "zeros": bytes(5000),
        "a column twice": face_csv([*names, names[9]], [[*row, row[9]] for row in rows]),
        **{
            f"without {name}": face_csv(
                [n for n in names if n != name],
                [[v for n, v in zip(names, row, strict=True) if n != name] for row in rows],
            )
            for name in ("timestamp", "success", "AU45_r", "face_id")
        },
        **{
            f"{name} {value!r}": face_csv(
                names,
                [
                    [value if n == name else v for n, v in zip(names, rows[0], strict=True)],
                    *rows[1:],
                ],
            )
            for name in ("timestamp", "success", "AU45_r", "face_id", "x_0")
            for value in (
                "",
                "nan",
                "inf",
                "1e300",
                "-1",
                "a",
                "1+2j",
                "0x10",
                "True",
                "1e400",
                "99999999999999999999",
            )
        },
    }
    for name, data in listed.items():
        yield _case(f"OpenFace: {name}", "x.csv", data, read_faces)
    whole = face_csv(names, rows)
    for number in range(count):
        yield _case(f"damaged OpenFace table {number}", "x.csv", damaged(whole, rng), read_faces)


def read_faces(folder: Path) -> str:
    """Tracks of the clip's length, of finite numbers or NaN, each of which stands in the file."""
    tracks = read_csv(folder / "x.csv", FRAMES)
    data = (folder / "x.csv").read_bytes()
    text = data.decode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    header = next(reader)
    places = [header.index(name) for name in schema.columns("vision")]
    known = {tuple(np.float32(row[place]) for place in places) for row in reader if row}
    for track in tracks:
        if track.shape != (FRAMES, 177) or track.dtype != np.float32 or np.isinf(track).any():
            raise sandbox.Accepted(f"{track.dtype} {track.shape}, inf: {np.isinf(track).sum()}")
        for row in track[np.isfinite(track).all(axis=1)]:
            if tuple(row) not in known:
                raise sandbox.Accepted("a row that is not in the file")
    return sandbox.HARMLESS


def warm(folder: Path) -> None:
    """Loads what reading good tables loads, the codecs of every encoding that is tried included."""
    for name in (*ENCODINGS, "cp950", "big5hkscs", "euc_jp", "euc_kr", "utf-16-be"):
        codecs.lookup(name)
    (folder / "meta.csv").write_bytes(text_of(ROWS).encode())
    (folder / "x.csv").write_bytes(face_csv(*face_rows()))
    assert read_and_compare(folder) == read_faces(folder) == sandbox.HARMLESS


FAMILIES = {"label tables": meta, "OpenFace tables": faces}
