"""Tables as spreadsheets and systems of other languages write them: they are read and the
peculiarity is reported, or they are refused in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import released_factory as factory
from click.testing import CliRunner
from label_header import HEADER

from avmc_core.commands.main import main
from avmc_core.data import cells
from avmc_core.data.label_table import read_meta, with_zeros
from avmc_core.errors import InputError
from avmc_core.files.encodings import decoded, undamaged

SIMPLIFIED = (
    "我觉得这部电影真的很好看",
    "你怎么可以这样对我",
    "谢谢你一直以来的陪伴和支持",
    "妈，你别担心，我没事",
)
TRADITIONAL = (
    "我覺得這部電影真的很好看",
    "你怎麼可以這樣對我",
    "謝謝你一直以來的陪伴和支持",
    "媽，你別擔心，我沒事",
)
SPLITS = ("train", "valid", "test", "train")


def lines(texts=SIMPLIFIED, label="0.2"):
    rows = [
        f"v{n},000{n},{text},{label},{label},{label},{label},Positive,{SPLITS[n]}"
        for n, text in enumerate(texts)
    ]
    return [HEADER, *(row.replace("，", "。") for row in rows)]


def write(folder, text, encoding="utf-8"):
    path = folder / "meta.csv"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


def repairs(table):
    return {repair["what"]: repair["count"] for repair in table.attrs["repairs"]}


WRITTEN = [
    (texts, encoding)
    for encoding in ("gb18030", "big5", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32")
    for texts in (SIMPLIFIED, TRADITIONAL, SIMPLIFIED[:1], TRADITIONAL[:1], TRADITIONAL[1:2])
    if encoding != "big5" or texts[0] in TRADITIONAL  # which has no simplified characters
]


@pytest.mark.parametrize(("texts", "encoding"), WRITTEN)
def test_the_encoding_is_told_and_said(tmp_path, texts, encoding):
    """The bytes of Big5 are valid GB18030 for other characters, and were once read as these."""
    table = read_meta(write(tmp_path, "\n".join(lines(texts)), encoding))
    assert table["text"].tolist() == [text.replace("，", "。") for text in texts]
    said = {} if encoding.startswith("utf-8") else {f"meta.csv was read as {encoding}": 1}
    assert repairs(table) == said


FOREIGN = {
    "Shift-JIS": "今日はとても良い天気ですね".encode("shift_jis"),
    "EUC-JP": "今日はとても良い天気ですね".encode("euc_jp"),
    "EUC-KR": "오늘 날씨가 정말 좋네요".encode("euc-kr"),
    "Latin-1": "café crème, déjà vu".encode("latin-1"),
    "UTF-8 that was cut": SIMPLIFIED[0].encode()[:-1],
    "half of each": SIMPLIFIED[0].encode() + SIMPLIFIED[1].encode("gb18030"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_in_doubt_is_refused(what):
    with pytest.raises(InputError, match="expected text in UTF-8"):
        decoded("x", FOREIGN[what])


CHINESE = "今天天气真好，我们去公园吧"
CONVERTED = {  # what a text becomes that is read under a wrong encoding and saved so: what is said
    "as GBK, with signs": (CHINESE.encode("gbk").decode("utf-8", "replace"), "that were lost"),
    "and again as GBK": ("\u951f\u65a4\u62f7\u951f\u65a4\u62f7", "that were lost"),
    "UTF-8 as Latin-1": (CHINESE.encode().decode("latin-1"), "once read as CP1252"),
    "UTF-8 as GB18030": (CHINESE.encode().decode("gb18030", "ignore"), "once read as GB18030"),
    "question marks": ("????????", "question marks alone in 4 of 4 transcripts"),
}


@pytest.mark.parametrize("what", CONVERTED)
def test_text_that_a_conversion_damaged_is_refused(tmp_path, what):
    text, named = CONVERTED[what]
    with pytest.raises(InputError, match=named):
        read_meta(write(tmp_path, "\n".join(lines([text] * 4))))


@pytest.mark.parametrize("text", ["café déjà vu", "真的？！", "他说“不行”…", "Привет 你好", "联通"])
def test_unusual_text_is_not_taken_for_damaged(text):
    assert undamaged("x", text) == text


def test_no_short_text_of_usual_characters_is_taken_for_damaged():
    """The GB18030 bytes of some characters are valid UTF-8 for another common character."""
    for text in ("句话", "第0句话", "v,0001,第0句话,-1.0,Positive,train"):
        assert undamaged("x", text) == text
    usual = [
        bytes([high, low]).decode("gb2312")
        for high in range(0xB0, 0xD7)
        for low in range(0xA1, 0xFF)
    ]
    rng = np.random.default_rng(0)
    for length in (1, 2, 3, 4):
        for _ in range(1000):
            text = "".join(rng.choice(usual, length))
            assert undamaged("x", text) == text


def joined(rows, separator=",", end="\r\n"):
    return end.join(row.replace(",", separator) for row in rows) + end


SPREADSHEETS = {  # what a spreadsheet makes of the table: what is said of it
    "blank rows": (
        joined(lines()) + ",,,,,,,,\r\n" * 3 + "\r\n",
        {"blank rows of meta.csv left out": 3},
    ),
    "blank columns": (
        "".join(line + ",,\r\n" for line in lines()),
        {"columns of meta.csv without a name left out": 2},
    ),
    "blank columns in the rows": (
        joined([HEADER, *(line + "," for line in lines()[1:])]),
        {"columns of meta.csv without a name left out": 1},
    ),
    "row numbers": (
        joined([f"{n}," * bool(n) + ("," * (not n)) + line for n, line in enumerate(lines())]),
        {"columns of meta.csv without a name left out": 1},
    ),
    "semicolons": (
        joined(lines(), ";"),
        {"meta.csv was read with semicolons between its cells": 1},
    ),
    "a stated separator": (
        "sep=;\r\n" + joined(lines(), ";"),
        {"meta.csv was read with semicolons between its cells": 1},
    ),
    "tabs": (joined(lines(), "\t"), {"meta.csv was read with tabs between its cells": 1}),
    "bars": (joined(lines(), "|"), {"meta.csv was read with bars between its cells": 1}),
    "decimal commas": (
        joined(lines(), ";").replace("0.2", "0,2"),
        {
            "meta.csv was read with semicolons between its cells": 1,
            "labels of meta.csv with a decimal comma": 16,
        },
    ),
    "capitals": (
        joined([HEADER.title(), *lines()[1:]]),
        {"column names of meta.csv in capitals": 9},
    ),
    "other names": (
        joined([HEADER.replace("label,", "M,").replace("mode", "Split"), *lines()[1:]]),
        {"column M of meta.csv read as label": 1, "column Split of meta.csv read as mode": 1},
    ),
    "splits of other tools": (
        joined([line.replace("train", "Train ") for line in lines()]),
        {"split 'Train ' of meta.csv read as train": 2},
    ),
    "blanks around ids": (
        joined([line.replace("v1,", "v1\u00a0,", 1) for line in lines()]),
        {"ids of meta.csv with blanks around them": 1},
    ),
    "wide digits": (
        joined([line.replace("0.2,", "\uff10\uff0e\uff12,", 1) for line in lines()]),
        {"labels of meta.csv in wide digits": 4},
    ),
    "blanks in names": (
        joined([HEADER.replace(",", " , "), *lines()[1:]]),
        {"column names of meta.csv with blanks around them": 9},
    ),
}


NUMBERS = {  # a cell: its plain number, and what is said
    "\u22120.5": ("-0.5", "with a printed minus sign"),
    "\u20130.5": ("-0.5", "with a printed minus sign"),
    "\u22120,5": ("-0.5", "with a printed minus sign and with a decimal comma"),
    "\uff10\uff0c\uff15": ("0.5", "in wide digits and with a decimal comma"),
    "\uff0b\uff10\uff0e\uff15": ("+0.5", "in wide digits"),
    "0.5\u00a0": ("0.5", ""),
    "0.4\u00b9": ("0.4\u00b9", ""),  # the mark of a footnote is no digit
    "\u00bd": ("\u00bd", ""),
}


@pytest.mark.parametrize("text", NUMBERS)
def test_signs_of_print_are_read_and_no_other_sign_becomes_a_digit(text):
    assert cells.number(text, commas=True) == NUMBERS[text]


def test_the_errors_of_a_spreadsheet_are_told():
    assert all(map(cells.is_formula, ("#NAME?", "#DIV/0!", "#N/A", "#####", " ######## ")))
    assert not any(map(cells.is_formula, ("#", "####", "#1", "a #####")))


@pytest.mark.parametrize("what", SPREADSHEETS)
def test_what_spreadsheets_do_is_set_right_and_counted(tmp_path, what):
    text, said = SPREADSHEETS[what]
    plain = read_meta(write(tmp_path, "\n".join(lines())))
    table = read_meta(write(tmp_path, text))
    assert table.to_dict("list") == plain.to_dict("list")
    assert repairs(table) == said


REFUSED = {
    "merged cells": (
        joined([*lines()[:2], lines()[2].replace("v1", "")]),
        "line 3, column video_id: found ''.*merged",
    ),
    "a decimal comma among commas": (joined(lines(label='"0,2"')), "column label: found '0,2'"),
    "an error of the spreadsheet": (
        joined(lines([*SIMPLIFIED[:3], "#NAME?"])),
        "line 5, column text: found '#NAME\\?', which a spreadsheet put in place",
    ),
    "JSON": (b'[{"video_id": "v0"}]', "found JSON; expected a table"),
    "a title": (joined(["CH-SIMS", *lines()]), "line 1: found 'CH-SIMS', a title"),
    "a name unknown": (
        joined([HEADER.replace("label_T", "feeling"), *lines()[1:]]),
        "no column label_T among video_id, clip_id, text, label, feeling",
    ),
    "a workbook": (
        b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml",
        "a workbook .*saved as CSV in UTF-8",
    ),
    "an older workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older spreadsheet"),
    "a pickle": (b"\x80\x04}.", "a pickle; .*avmc data import --supervised"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "a page": (b"<html><body>Sign in</body></html>", "a web page"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_clear_is_refused_by_name(tmp_path, what):
    text, named = REFUSED[what]
    with pytest.raises(InputError, match=named):
        read_meta(write(tmp_path, text))


def test_audit_names_a_workbook_and_says_what_it_read(tmp_path):
    """It once looked for x.xlsx/manifest.json."""
    book = tmp_path / "x.xlsx"
    book.write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml")
    result = CliRunner().invoke(main, ["data", "audit", str(book)])
    assert result.exit_code == 2 and "a workbook of a spreadsheet" in result.output
    path = write(tmp_path, "\n".join(lines(TRADITIONAL)), "big5")
    result = CliRunner().invoke(main, ["data", "audit", str(path)])
    assert result.exit_code == 0 and "repaired: meta.csv was read as big5 (1)" in result.output


# Zeros that a spreadsheet takes from numbers


def ids(*pairs):
    table = pd.DataFrame(pairs, columns=["video_id", "clip_id"])
    table.attrs["repairs"] = []
    return table


def pairs_of(table):
    return list(zip(table["video_id"], table["clip_id"], strict=True))


def test_lost_zeros_are_restored_where_one_clip_can_be_meant():
    known = [("v", "0001"), ("v", "0010"), ("0007", "0000"), ("w", "a1")]
    table = with_zeros(ids(("v", "1"), ("v", "10.0"), ("7", "0"), ("w", "a1"), ("w", "9")), known)
    assert pairs_of(table) == [*known, ("w", "9")]
    assert repairs(table) == {"ids of meta.csv whose lost leading zeros were restored": 3}


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ([("v", "1")], [("v", "01"), ("v", "001")]),  # either can be meant
        ([("v", "1"), ("v", "0001")], [("v", "0001")]),  # that one is there already
        ([("v", "1"), ("v", "01")], [("v", "0001")]),  # two rows for one clip
        ([("v", "x1")], [("v", "0x1")]),  # no number
        ([("v", "1")], [("v", "1"), ("v", "0001")]),  # it is as it should be
    ],
)
def test_nothing_is_restored_where_more_than_one_can_be_meant(rows, known):
    table = with_zeros(ids(*rows), known)
    assert pairs_of(table) == rows and not table.attrs["repairs"]


def test_an_import_restores_them_and_says_so(tmp_path):
    content = factory.supervised()
    rows = []
    for name, columns in content.items():
        for place, clip in enumerate(columns["id"]):
            video, _, number = str(clip).partition("$_$")
            labels = [
                columns[f"regression_labels{suffix}"][place] for suffix in ("", "_T", "_A", "_V")
            ]
            rows.append(
                ",".join([video, str(int(number)), "x", *map(str, labels), "Positive", name])
            )
    path = write(tmp_path, "\n".join([HEADER, *rows]))
    store = factory.imports(tmp_path, content, meta=path)
    said = {repair["what"]: repair["count"] for repair in store.manifest["repairs"]}
    assert said["ids of meta.csv whose lost leading zeros were restored"] == len(rows)
    assert not any("only one of pickle and meta.csv" in what for what in said)
