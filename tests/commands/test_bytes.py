"""File names and sentences in an encoding other than UTF-8 work, or end in one clear sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import released_factory as factory

from avmc_core.errors import InputError
from avmc_core.files import names

SENTENCE = "今天天气真好，我们去公园"


def gbk(text: str) -> str:
    """The text as Python represents it when it arrives as bytes of GBK."""
    return os.fsdecode(text.encode("gbk"))


def test_names_become_what_they_say_or_escapes():
    assert names.shown("片段.mp4") == names.shown(gbk("片段.mp4")) == "片段.mp4"
    assert names.shown(os.fsdecode(b"\xff\xfe\xfd")).isprintable()


def test_typed_text_is_read_as_the_locale_says_or_as_it_can_only_be(monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert names.typed(SENTENCE, "--text") == names.typed(gbk(SENTENCE), "--text") == SENTENCE
    monkeypatch.setenv("LANG", "zh_TW.Big5")
    assert names.typed(os.fsdecode("天氣".encode("big5")), "--text") == "天氣"
    monkeypatch.setenv("LANG", "C.UTF-8")
    with pytest.raises(
        InputError, match=r"--text: found bytes that are not UTF-8 .*; expected text typed in UTF-8"
    ):
        names.typed(os.fsdecode(b"\xe4\xbb\x8a\xe5"), "--text")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5"])
def test_a_folder_is_found_under_its_name_in_any_encoding(tmp_path, encoding):
    os.mkdir(os.path.join(os.fsencode(tmp_path), "天氣".encode(encoding)))
    held = names.entries(tmp_path)
    assert [path.is_dir() for path in held["天氣"]] == [True]
    assert "other" not in held and names.entries(tmp_path / "nothing") == {}


def test_accents_may_be_composed_or_not(tmp_path):
    (tmp_path / "cafe\u0301").mkdir()
    assert names.entries(tmp_path) == {"caf\u00e9": [tmp_path / "cafe\u0301"]}


@pytest.mark.parametrize(
    "locale", [{"LANG": "zh_CN.GBK"}, {"LANG": "C.UTF-8"}, {"PYTHONIOENCODING": "gbk"}]
)
def test_a_terminal_in_gbk_gets_its_import_and_its_errors(tmp_path, locale):
    """The store keeps a readable name; characters that the terminal cannot show are escaped, and
    there is no traceback."""
    supervised, _ = factory.released_files(tmp_path)
    name = os.path.join(os.fsencode(tmp_path), "数据\U0001f600.pkl".encode("gb18030"))
    os.rename(supervised, name)
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("LC_") and key != "LANG"
    }
    code = "from avmc_core.commands.main import main; main()"
    for arguments in (["--supervised", name], ["--supervised", name + b".gone"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "data", "import", *arguments, str(tmp_path / "store")],
            env={**clean, **locale},
            capture_output=True,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode("utf-8", "replace")
        assert done.returncode == (2 if arguments[1].endswith(b".gone") else 0)
    manifest = (tmp_path / "store" / "manifest.json").read_text(encoding="utf-8")
    assert "数据\U0001f600.pkl" in manifest
