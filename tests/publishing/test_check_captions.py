"""The check of captions finds what it should, and the command in a caption, run elsewhere,
reproduces the figures above it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from avmc_core.analysis import results
from avmc_core.commands.main import main
from avmc_core.drawing import figures
from avmc_core.publishing.tables import result_table
from avmc_core.runs.experiments import experiment
from avmc_core.runs.grid import run_all
from avmc_core.runs.store import RunStore

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import check_captions

ROOT = Path(__file__).parents[2]

MARK = '<div class="avmc-mark"><p><strong>simulated corpus, not CH-SIMS</strong></p></div>'
SAID = (
    '<small class="avmc-caption">Data: simulated corpus, not CH-SIMS · code 1 · command: '
    "<code>avmc run x</code></small>"
)
CELL = '<div class="cell docutils"><div class="cell_output">{}</div></div>'


@pytest.fixture
def check(tmp_path):
    (tmp_path / "marked.svg").write_text("<svg><!-- data: simulated corpus, not CH-SIMS --></svg>")
    (tmp_path / "bare.svg").write_text("<svg></svg>")

    def problems(*cells: str, mark: str = MARK) -> list[str]:
        (tmp_path / "page.html").write_text(f"{mark}{''.join(CELL.format(cell) for cell in cells)}")
        return check_captions.problems(tmp_path / "page.html")

    return problems


def test_a_page_that_says_everything_passes(check):
    assert (
        check(
            f'<img src="marked.svg">{SAID}',
            f'<div class="avmc-t" id="table-a"><table></table></div>{SAID}',
        )
        == []
    )
    assert (
        check('<div class="avmc-t" id="table-table2_benchmark"><table></table></div>', mark="")
        == []
    )
    assert check(SAID.replace("run x", "run x --profile ci && avmc run y --profile ci")) == []


def test_what_the_project_makes_of_itself_may_say_so(check):
    """The counts of the torture: their data are the tests' own files, which the page names, and a
    target of the Makefile produces them."""
    mark, said = (
        text.replace("simulated corpus, not CH-SIMS", "made-up files, no result about CH-SIMS")
        for text in (MARK, SAID)
    )
    table = (
        '<div class="avmc-t" '
        f'id="table-a"><table></table></div>{said.replace("avmc run x", "make torture")}'
    )
    assert check(table, mark=mark) == []
    assert "a caption about" in check(table)[0]
    assert "without data or command" in check(table.replace("make torture", "make"), mark=mark)[0]


def test_the_page_of_the_torture_passes(tmp_path, monkeypatch):
    """Built by itself, the page has every figure, and every table says what it is about."""
    testing = pytest.importorskip("sphinx.testing.util", reason="the book needs the extra 'book'")
    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "home"))
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'avmc_core.publishing.book_extension']\n"
    )
    shutil.copyfile(ROOT / "book" / "robustness.md", tmp_path / "index.md")
    (tmp_path / "run.md").write_text("---\norphan: true\n---\n\n# Linked to\n")
    app = testing.SphinxTestApp("html", srcdir=tmp_path, freshenv=True)
    try:
        app.build()
        assert not app.warning.getvalue()
        html = Path(app.outdir) / "index.html"
        assert check_captions.problems(html) == [] and html.read_text().count("command: ") == 4
    finally:
        app.cleanup()


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (['<img src="marked.svg">', SAID], "marked.svg has no caption"),
        (["<table></table>"], "a table has no caption"),
        ([f'<img src="bare.svg">{SAID}'], "bare.svg does not say simulated"),
        (
            [SAID.replace("simulated corpus, not CH-SIMS", "imported store sims, 1234")],
            "a caption about 'imported store sims, 1234'",
        ),
        ([SAID.replace("avmc run", "python")], "without data or command"),
        ([SAID.replace("run x", "run x && python y")], "without data or command"),
        (
            [SAID.replace("code 1", "1 of 2 published figures lie within our intervals")],
            "counts published figures",
        ),
    ],
)
def test_what_is_missing_is_found(check, cells, found):
    (problem,) = check(*cells)
    assert found in problem


def test_results_need_a_mark(check):
    cell = f'<div class="avmc-t" id="table-a"></div>{SAID}'
    assert "shows results without saying on which data" in check(cell, mark="")


def test_the_command_of_a_caption_gives_the_figures_above_it(tiny_store, tmp_path, monkeypatch):
    """With one seed, in another home folder: the command is read from the caption, and everything
    is computed again."""
    plan, metrics = experiment("avmc"), ["Acc2", "Corr", "MAE"]
    rows = [row for row in plan.rows if not row.seeded]
    grid = [run for run in plan.runs("ci", (1,)) if run.name in {row.name for row in rows}]
    records = run_all(grid, tiny_store, RunStore(tmp_path / "first"), jobs=1, progress_bar=False)
    cells = results.comparison(rows, results.summarise(records, tiny_store, draws=20), metrics)
    html = result_table(cells, "made")._repr_html_()
    said = figures.caption(
        tiny_store, "avmc results avmc --profile ci", "Table 2", records=records
    ).data
    assert f"{len(grid)} runs, none failed" in said and "seed 1 ·" in said

    monkeypatch.setenv("AVMC_HOME", str(tmp_path / "second"))
    monkeypatch.setattr(
        "avmc_core.runs.experiments.EXPERIMENTS",
        {"avmc": type(plan)(plan.title, plan.source, tuple(rows))},
    )
    words = re.search(r"command: `avmc (.+?)`", said)[1].split()
    options = ["--store", str(tiny_store.path), "--seeds", "1"]
    for command in (
        ["run", *words[1:], *options, "--jobs", "1"],
        [*words, *options, "--format", "csv"],
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
    assert check_captions.unlike(html, "made", done.output) == []
    assert check_captions.unlike(html, "made", done.output.replace(rows[0].name, "another")) != []
