"""Build the book: bring the notebooks up to date, stage them beside the pages, and let Jupyter Book
render the stage."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from avmc_core.data.store import open_store
from avmc_core.errors import InputError
from avmc_core.files.atomic import new_folder
from avmc_core.publishing.before import announce
from avmc_core.publishing.book_stage import book_pages, executed_pages, stage
from avmc_core.publishing.bundle import write_bundle
from avmc_core.publishing.notebooks import NotebookError, build_notebooks, notebook_options, report

PDF = "book.pdf"  # beside index.html, where tools/make_pdf.py has printed it
INLINE = r"(?:(?!</?span\b).)*"  # up to the next span's beginning or end
PDF_SLOT = re.compile(
    rf'<span class="avmc-pdf">{INLINE}(?:<span\b[^>]*>{INLINE}</span>{INLINE})*</span>', re.DOTALL
)
NO_PDF = "a PDF, where <code>make pdf</code> has printed one (this site has none)"


class BookError(RuntimeError):
    """Jupyter Book failed or warned; its own messages stand above."""


def build_book(out: str | Path = ".", **options: Any) -> Path:
    """Render the book whose ``_config.yml`` is in the current folder into ``<out>/_build/html``;
    returns that folder. It is replaced by a complete book or stays as it is.

    ``options`` go to ``build_notebooks``. A notebook ``notebooks/NAME.py`` becomes
    ``notebooks/NAME.html``, a page ``book/NAME.md`` becomes ``NAME.html``; the bundle of results
    goes into ``results`` beside them. Raises InputError, NotebookError, or BookError when Sphinx
    warns; InputError, before any work, when ``<out>/_build/site``, whose files are replaced by the
    book's, contains files of another origin.
    """
    build = Path(out) / "_build"
    if not Path("_toc.yml").is_file():
        raise InputError(
            Path.cwd(),
            "no book (_toc.yml)",
            "the top of a checkout of this project: the book is made of its notebooks and pages, "
            "which the installed package does not carry",
        )
    pages = book_pages()
    staged = build / "site"
    if any(path.is_file() for path in staged.rglob("*")) and not any(
        (staged / place).is_file() for place in pages
    ):
        raise InputError(
            staged, "files, but no page of this book", "another --out, or no such folder"
        )
    results, scripts = [], Path(options.get("folder") or "notebooks")
    for notebook in build_notebooks(out=build / "notebooks", done=report, **options):
        results += notebook.results
    pages |= executed_pages(scripts, build / "notebooks")
    with _beside(build) as (html, output):
        # Sphinx goes by times, which a clock that was put back turns round
        for place in stage(pages, staged):
            (html.parent / ".doctrees" / place).with_suffix(".doctree").unlink(missing_ok=True)
        data = open_store(options["store"]) if options.get("store") else None
        html.mkdir(exist_ok=True)
        with ThreadPoolExecutor(1) as meanwhile:
            rendering = meanwhile.submit(_render, staged, output)
            write_bundle(html / "results", data, results, options.get("profile") or "ci")
            rendering.result()
        drop_stale_pdf(html)
    return build / "html"


@contextmanager
def _beside(build: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of the book in ``build`` to bring up to date, and the output path that makes Jupyter
    Book write there. When the block ends without an exception the copy takes the place of the book;
    until then, and whatever stops it, the book stays as it was."""
    output = build / "sphinx"
    html, unfinished = output / "_build" / "html", output / "unfinished"
    shutil.rmtree(html, ignore_errors=True)
    # what a kill or a warning left may look up to date to Sphinx: a page cut short
    if unfinished.exists():
        shutil.rmtree(html.parent, ignore_errors=True)
    elif (build / "html").is_dir():
        shutil.copytree(build / "html", html)
    html.parent.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    yield html, output
    with new_folder(build / "html", replace=True) as new:
        os.replace(html, new)
    unfinished.unlink()


def _render(staged: Path, output: Path) -> None:
    """Lets Jupyter Book render the stage into ``<output>/_build/html``. Raises BookError."""
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command = [*jupyter_book, "build", str(staged), "--path-output", str(output)]
    for option, name in (("--config", "_config.yml"), ("--toc", "_toc.yml")):
        command += [option, str(Path(name).resolve())]
    if subprocess.run([*command, "-W", "-n", "--keep-going", "-q"], check=False).returncode:
        raise BookError("the book has warnings or errors (above); _build/html is as it was")


def drop_stale_pdf(site: Path) -> None:
    """Removes the PDF and the links to it when a page is younger; `make pdf` prints it again."""
    # Sphinx writes that one each time
    pages = [path for path in site.rglob("*.html") if path.name != "search.html"]
    pdf = site / PDF
    if pdf.is_file() and any(page.stat().st_mtime > pdf.stat().st_mtime for page in pages):
        pdf.unlink()
        fill_pdf_links(site, NO_PDF)


def fill_pdf_links(site: Path, text: str, link: bool = False) -> int:
    """Puts ``text`` (HTML), as a link to the PDF or as words, where pages offer it; returns the
    number of places."""
    count = 0
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        root = "../" * (len(page.relative_to(site).parts) - 1)
        shown = f'<a href="{root}{PDF}">{text}</a>' if link else text
        filled, places = PDF_SLOT.subn(f'<span class="avmc-pdf">{shown}</span>', html)
        count += places
        if filled != html:
            page.write_text(filled, encoding="utf-8")
    return count


@click.command()
@click.option(
    "--out",
    default=".",
    show_default=True,
    help="The book goes into _build/html under this folder.",
)
@notebook_options
def main(**options: Any) -> None:
    """Execute the notebooks that changed and build the book."""
    try:
        if options["store"]:
            sources = sorted(Path(options["folder"]).glob("*.py"))
            for line in announce(options["store"], options["profile"], sources):
                click.echo(line)
        click.echo(f"The book is {build_book(**options) / 'index.html'}")
    except (InputError, NotebookError, BookError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
