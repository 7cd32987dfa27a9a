"""``jupyter-book build .`` in the checkout gives the pages of `make book`, or one sentence that
says what to run first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("jupyter_book", reason="the book needs the extra 'book'")
from avmc_core.errors import InputError
from avmc_core.publishing import book
from avmc_core.publishing.book import BookError, build_book

ROOT = Path(__file__).resolve().parents[2]
MADE = {"provenance": {"data": "simulated corpus, not CH-SIMS"}, "data": {"seed": 7}}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A small checkout: a page, a notebook that has not been executed, and many files that are not
    pages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    for name, text in {
        "book/index.md": "# Book\n\nMade with {num}`made:seed`, see [](notebooks/page).\n",
        "book/references.bib": "",
        "book/_static/book.css": "body { margin: 0 }",
        "notebooks/page.py": "# %% [markdown]\n# # As written\n",
        "home/results/made.json": json.dumps(MADE),
        "CHANGELOG.md": "# Changes\n",
        "_toc.yml": "format: jb-book\nroot: index\nchapters:\n  - file: notebooks/page\n",
        ".venv/lib/note.md": "[](nowhere.md)\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copyfile(ROOT / "_config.yml", tmp_path / "_config.yml")
    return tmp_path


def jupyter_book_build(*options: str) -> subprocess.CompletedProcess:
    """In a separate process, because Sphinx leaves traces in the one that it runs in."""
    words = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "."]
    return subprocess.run([*words, *options], capture_output=True, text=True)


def test_it_names_what_to_run_first(checkout):
    done = jupyter_book_build()
    assert done.returncode
    assert "found no executed notebook; expected a call of `avmc notebooks` before" in (
        done.stdout + done.stderr
    ).replace("\n", " ")


@pytest.fixture
def executed(checkout):
    executed = checkout / "_build" / "notebooks" / "page.ipynb"
    executed.parent.mkdir(parents=True)
    cell = {"cell_type": "markdown", "id": "cell-000", "metadata": {}, "source": "# As executed"}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    executed.write_text(json.dumps(notebook), encoding="utf-8")
    executed.with_suffix(".json").write_text(json.dumps({"results": ["made"]}), encoding="utf-8")
    return checkout


def test_it_makes_the_pages_of_the_contents(executed):
    checkout = executed
    done = jupyter_book_build("-W", "-n", "--keep-going")
    assert done.returncode == 0, done.stdout + done.stderr
    html = checkout / "_build" / "html"
    pages = {path.relative_to(html).as_posix() for path in html.glob("[!_]*/*.html")}
    assert pages == {"notebooks/page.html"}
    assert "As executed" in (html / "notebooks" / "page.html").read_text(encoding="utf-8")
    assert "simulated corpus, not CH-SIMS" in (html / "index.html").read_text(encoding="utf-8")
    assert (html / "_static" / "han.otf").is_file()
    landing = (html / "index.html").read_text(encoding="utf-8")
    assert 'href="_static/book.css' in landing  # without its style sheets it is another book


def test_avmc_book_elsewhere_asks_for_a_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected the top of a checkout of this project"):
        build_book()
    assert list(tmp_path.iterdir()) == []


def test_a_book_that_fails_leaves_the_last_one_as_it_was(executed, monkeypatch):
    """A page with a placeholder in place of a figure looks like a book, and would be published as
    one. After it is mended the next build is complete. Sphinx is replaced by a copy of the page."""
    page, html = executed / "book" / "index.md", executed / "_build" / "html"

    def render(staged: Path, output: Path) -> None:
        text = (staged / "index.md").read_text(encoding="utf-8")
        place = output / "_build" / "html" / "index.html"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
        if "missing" in text:
            raise BookError("a warning")

    def build(text: str) -> str | None:
        page.write_text(text, encoding="utf-8")
        with suppress(BookError):
            build_book()
        shown = html / "index.html"
        return shown.read_text(encoding="utf-8") if shown.is_file() else None

    monkeypatch.setattr(book, "build_notebooks", lambda **options: [])
    monkeypatch.setattr(book, "_render", render)
    assert build("missing") is None
    assert build("first") == "first" and (html / "results").is_dir()
    (html / "book.pdf").touch()
    assert build("missing") == "first" and (html / "book.pdf").is_file()
    assert build("second") == "second"
    assert not (executed / "_build" / "sphinx" / "_build" / "html").exists()
