"""The pages of the book beside the executed notebooks, in one folder for Sphinx to read; and
``jupyter-book build .`` in the checkout, which is led to that folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avmc_core.drawing.fonts import han_font
from avmc_core.errors import InputError

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx. Where it reads the checkout itself, it is given a stage instead, so that
    the tool's own command makes the pages of ``make book``."""
    top = Path(app.srcdir)
    if (top / "_toc.yml").is_file() and (top / "notebooks").is_dir() and (top / "book").is_dir():
        build = Path(app.outdir).parent
        try:
            pages = book_pages(top) | executed_pages(top / "notebooks", build / "notebooks")
        except InputError as error:
            from sphinx.errors import ConfigError

            raise ConfigError(str(error)) from None
        stage(pages, build / "site")
        app.srcdir = app.confdir = type(app.srcdir)(build / "site")
        app.connect("config-inited", _add_static, priority=100)
    return {"version": "1", "parallel_read_safe": True}


def _add_static(app: Sphinx, config: Any) -> None:
    """The folder and the style sheets that Jupyter Book adds by itself where it is told to read the
    stage."""
    static = Path(app.srcdir) / "_static"
    sheets = [path.relative_to(static).as_posix() for path in sorted(static.rglob("*.css"))]
    config.html_static_path = [*config.html_static_path, "_static"]
    config.html_css_files = [*config.html_css_files, *sheets]


def book_pages(top: Path = Path()) -> dict[Path, Path]:
    """The files that need no execution: each one's place in the stage, and its source. A page
    ``book/NAME.md`` becomes ``NAME.html``."""
    pages = {
        path.relative_to(top / "book"): path for path in (top / "book").rglob("*") if path.is_file()
    }
    return pages | {
        Path("_static") / han_font().name: han_font(),
        Path("changelog.md"): top / "CHANGELOG.md",
    }


def executed_pages(sources: Path, executed: Path) -> dict[Path, Path]:
    """The executed notebooks: each one's place in the stage, and its source. ``sources/NAME.py``
    becomes ``notebooks/NAME.html``. Raises InputError where one has not been executed."""
    pages = {}
    for script in sorted(sources.glob("*.py")):
        notebook = executed / f"{script.stem}.ipynb"
        if not notebook.is_file():
            raise InputError(
                notebook,
                "no executed notebook",
                "a call of `avmc notebooks` before, or of `make book`, which does both",
            )
        for path in (notebook, notebook.with_suffix(".json"), script):
            pages[Path("notebooks") / path.name] = path
    return pages


def stage(pages: dict[Path, Path], folder: Path) -> list[Path]:
    """Make ``folder`` hold exactly ``pages`` (place in it -> source), rewriting only what differs,
    which is returned: Sphinx then rebuilds only that."""
    changed = []
    for old in sorted(folder.rglob("*")):
        if old.is_file() and old.relative_to(folder) not in pages:
            old.unlink()
    for place, source in pages.items():
        target = folder / place
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            changed.append(place)
    return changed
