"""Sphinx extension of the book: figures quoted from results, a mark of the data on every page made
from results, published tables, and nothing loaded from elsewhere."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from avmc_core.artefacts import facts, merged
from avmc_core.codehash import code_hash
from avmc_core.home import home
from avmc_core.published import published
from avmc_core.publishing.book_figures import drawings
from avmc_core.publishing.html_table import anchor
from avmc_core.settings import digest

log = logging.getLogger(__name__)
TABLES = "avmc_core.publishing.result_tables"
FIGURES = "avmc_core.publishing.book_figures"
# result and part: what its rows are called
ROWS = {("claims", "rulings"): "claim", ("dataset", "findings"): "finding"}
# Results that take too long for a build; the package carries them.
RECORDED = ("torture", "cues", "portability")
LATER = "avmc-mark-later"  # class of the place that a page has for the marks of simulated data
# the page that shows a recorded result whole
SHOWN_ON = {"cues": "notebooks/01_dataset_statistics"}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx. Pages are rebuilt when this code or the published figures change, and
    written again when a style sheet does, which Sphinx alone would not notice."""
    app.add_config_value(
        "avmc_made_by",
        digest([code_hash([__name__, TABLES, FIGURES]), drawings(), published()]),
        "env",
    )
    sheets = sorted((Path(app.srcdir) / "_static").rglob("*.css"))
    app.add_config_value(
        "avmc_styles", digest([sheet.read_text(encoding="utf-8") for sheet in sheets]), "html"
    )
    app.add_role("num", Num())
    app.add_directive("datamark", DataMark)
    app.add_directive("simulated-mark", SimulatedMark)
    app.setup_extension(TABLES)
    app.setup_extension(FIGURES)
    app.connect("builder-inited", _copy_mathjax)
    app.connect("env-purge-doc", lambda app, env, page: _quoted(env).pop(page, None))
    app.connect("doctree-read", _mark_page)
    app.connect("html-page-context", _drop_scripts, priority=999)
    app.connect("html-page-context", _mend_citations)
    return {"version": "1", "parallel_read_safe": False}


# --- figures from results
# --------------------------------------------------------------------------------------------


def lookup(result: dict[str, Any], key: str) -> Any:
    """The value at dotted ``key`` (numbers index lists) of a result's data. Raises KeyError for a
    missing one."""
    value = result["data"]
    for part in key.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, ValueError, IndexError, TypeError):
            raise KeyError(key) from None
    return value


def format_value(value: Any, spec: str) -> str:
    """``value`` in a Python format ``spec``. Integers and words need none; other numbers do, so
    that no page shows sixteen digits. Raises ValueError for an undefined value (null) and for a
    ``spec`` that does not fit."""
    if value is None or isinstance(value, dict | list) or (isinstance(value, float) and not spec):
        raise ValueError(f"{value!r} cannot be quoted with format {spec!r}")
    return format(value, spec)


def origin(result: dict[str, Any], key: str) -> str:
    """The basis of a figure, in words: the kind of evidence if its row names it, else the data of
    the result."""
    row = lookup(result, key.rpartition(".")[0]) if "." in key else {}
    provenance = result["provenance"]
    data = (
        f"labels: {provenance['labels']}; runs: {provenance['data']}"
        if "labels" in provenance
        else provenance["data"]
    )
    return (row.get("decided by") if isinstance(row, dict) else None) or data


class Num(SphinxRole):
    """``{num}`name:key|format` ``: one figure from ``$AVMC_HOME/results/name.json``; a missing one
    fails the build. It leads to the page that computed it, and there to its row, where that page
    has a table of such rows (``ROWS``)."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        reference, _, spec = self.text.partition("|")
        name, _, key = reference.partition(":")
        try:
            result = read_result(self.env, name)
            text = format_value(lookup(result, key), spec)
        except (OSError, KeyError, ValueError) as error:
            message = f"num: {self.text}: {type(error).__name__}: {error}"
            log.warning(message, location=self.get_location())
            return [nodes.problematic(self.rawtext, self.text)], []
        explanation = f"{name}: {key} ({origin(result, key)})"
        figure = nodes.abbreviation(text, text, explanation=explanation, classes=["avmc-num"])
        basis = self.basis(name, key)
        return [
            nodes.reference("", "", figure, refuri=basis, classes=["avmc-basis"])
            if basis
            else figure
        ], []

    def basis(self, name: str, key: str) -> str:
        """Address of the page that saved a result, and of the row of the figure there; "" on that
        page itself and for a result that no page saved."""
        for record in sorted((Path(self.env.srcdir) / "notebooks").glob("*.json")):
            if name in json.loads(record.read_text(encoding="utf-8"))["results"]:
                page = f"notebooks/{record.stem}"
                part, _, rest = key.partition(".")
                row = (
                    f"#{anchor(ROWS[name, part], rest.rpartition('.')[0])}"
                    if (name, part) in ROWS
                    else ""
                )
                own = page == self.env.docname
                return (
                    ""
                    if own
                    else self.env.app.builder.get_relative_uri(self.env.docname, page) + row
                )
        page = SHOWN_ON.get(name, "")
        return self.env.app.builder.get_relative_uri(self.env.docname, page) if page else ""


class DataMark(SphinxDirective):
    """``{datamark} name ...``: this page shows these results although it quotes none of their
    figures by ``num``."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        for name in self.arguments[0].split():
            try:
                read_result(self.env, name)
            except (OSError, ValueError) as error:
                log.warning(f"datamark: {name}: {error}", location=self.get_location())
        return []


class SimulatedMark(SphinxDirective):
    """``{simulated-mark}``: here, and not under the first paragraph, the page says which of its
    figures rest on simulated or made-up data. For a page whose first figures are real, placed
    before the first that is not."""

    def run(self) -> list[nodes.Node]:
        return [nodes.container(classes=[LATER])]


def read_result(env: BuildEnvironment, name: str) -> dict[str, Any]:
    """A saved result; the page being read then carries its mark and is rebuilt when it changes."""
    folder = Path(__file__).parents[1] / "resources" if name in RECORDED else home() / "results"
    path = (folder / f"{name}.json").resolve()
    env.note_dependency(str(path))
    result = json.loads(path.read_text(encoding="utf-8"))
    _quoted(env).setdefault(env.docname, {})[name] = result["provenance"]
    return result


def _quoted(env: BuildEnvironment) -> dict[str, dict[str, dict[str, Any]]]:
    """Page -> result -> its provenance, for the results that the page shows."""
    if not hasattr(env, "avmc_quoted"):
        env.avmc_quoted = {}
    return env.avmc_quoted


# --- the mark of the data
# --------------------------------------------------------------------------------------------


def _mark_page(app: Sphinx, doctree: nodes.document) -> None:
    """Adds a mark below the first paragraph of a page that shows results: on which data they rest,
    and how they were made."""
    env, page = app.env, app.env.docname
    # staged beside an executed notebook: the results that it wrote
    record = Path(app.srcdir) / f"{page}.json"
    if page.startswith("notebooks/"):
        env.note_dependency(str(record))
        names = json.loads(record.read_text(encoding="utf-8"))["results"]
        if not names:
            log.warning(
                "a notebook must save a result, so that its page can say which data it shows",
                location=page,
            )
        for name in names:
            try:
                read_result(env, name)
            except OSError as error:
                log.warning(f"a result of this notebook is gone: {error}", location=page)
    shown = _quoted(env).get(page)
    if not shown:
        return
    marks = {kind: nodes.container(classes=["avmc-mark"]) for kind in ("real", "simulated")}
    for data, names in _by_data(shown).items():
        kind = "simulated" if data.startswith(("simulated", "made-up")) else "real"
        line = nodes.paragraph(classes=[f"avmc-{kind}"])
        line += nodes.strong(text=data)
        line += nodes.Text(
            "".join(f" · {fact}" for fact in facts(merged([shown[name] for name in names])))
        )
        for command in sorted(
            {shown[name]["command"] for name in names if "command" in shown[name]}
        ):
            line += [nodes.Text(" · "), nodes.literal(text=command)]
        marks[kind] += line
    for place in [node for node in doctree.findall(nodes.container) if LATER in node["classes"]]:
        place.replace_self(marks.pop("simulated", nodes.container()))
    section = next(iter(doctree.findall(nodes.section)), doctree)
    at = _after_opening(section)
    for mark in reversed([mark for mark in marks.values() if mark.children]):
        section.insert(at, mark)


def _after_opening(section: nodes.Element) -> int:
    """The place below the first paragraph, which says what a page is about; where there is none
    before the next section, below the title."""
    for number, child in enumerate(section.children):
        if isinstance(child, nodes.paragraph):
            return number + 1
        if isinstance(child, nodes.section):
            break
    return int(bool(section.children) and isinstance(section[0], nodes.title))


def _by_data(shown: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    by_data: dict[str, list[str]] = {}
    for name, provenance in sorted(shown.items()):
        by_data.setdefault(str(provenance["data"]), []).append(name)
    return by_data


# --- nothing from elsewhere
# ------------------------------------------------------------------------------------------


def _copy_mathjax(app: Sphinx) -> None:
    """MathJax's one script and its fonts, 1.6 MB of the 24 MB that the package carries."""
    source = Path(
        distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax")
    )
    target = Path(app.outdir) / "_static" / "mathjax"
    fonts = "output/chtml/fonts/woff-v2"
    if app.builder.format == "html" and not (target / fonts).is_dir():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / "tex-mml-chtml.js", target)
        shutil.copytree(source / fonts, target / fonts)


def _drop_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Jupyter Book always loads sphinx-thebe, whose script raises an error on each page and names a
    CDN; and MathJax, which weighs more than a page, where there is no formula."""
    formulas = doctree is not None and any(
        doctree.findall(lambda n: isinstance(n, nodes.math | nodes.math_block))
    )
    unwanted = ("thebe",) if formulas else ("thebe", "mathjax", "MathJax")
    scripts = context["script_files"]
    scripts[:] = [s for s in scripts if not any(word in _described(s) for word in unwanted)]


def _described(script: Any) -> str:
    return f"{getattr(script, 'filename', script)}{getattr(script, 'attributes', '')}"


def _mend_citations(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Sphinx marks citations as a list whose children are not list items, which screen readers
    cannot follow."""
    context["body"] = context.get("body", "").replace(
        '<div role="list" class="citation-list">', '<div class="citation-list">'
    )
