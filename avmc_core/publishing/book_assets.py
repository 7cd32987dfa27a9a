"""Sphinx extension: the built site contains what it uses and no more; notebooks can be downloaded
as scripts, and the book cited.

The theme brings every icon of Font Awesome three times over, as a script of 1.5 MB and as fonts.
The book shows a dozen icons: they become one small font, cut out of the theme's own, and the script
goes.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from avmc_core.publishing.citation import FILE, bibtex

log = logging.getLogger(__name__)
THEME_CSS = Path("_static/styles/pydata-sphinx-theme.css")
WEBFONTS = Path("_static/vendor/fontawesome/webfonts")
ICON_SCRIPT = "fontawesome.js"
THEME_FONT, ICON_FONT = "fa-solid-900.ttf", "icons.woff"
ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')
STYLES_OF_ICONS = {"solid", "lg"}  # modifiers that are not icons


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("bibtex", Bibtex)
    app.connect("html-page-context", _offer_script, priority=998)
    app.connect("build-finished", _finish)
    return {"version": "1", "parallel_read_safe": True}


class Bibtex(SphinxDirective):
    """``{bibtex}``: how to cite this project and the paper, from CITATION.cff."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FILE))
        text = bibtex()
        return [nodes.literal_block(text, text, language="bibtex")]


def _offer_script(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """In the download menu of a notebook's page: its py:percent script beside the executed
    notebook."""
    if not (Path(app.srcdir) / f"{page}.py").is_file():
        return
    menu = next(
        (
            button
            for button in context["header_buttons"]
            if button.get("label") == "download-buttons"
        ),
        None,
    )
    if menu is None:
        log.warning("the theme has no download menu for the notebook's script", location=page)
        return
    link = {
        "type": "link",
        "url": f"{context['pathto']('_sources', 1)}/{page}.py",
        "text": ".py",
        "icon": "fas fa-file",
        "tooltip": "Download the script that makes this notebook",
        "label": "download-script-button",
    }
    menu["buttons"].insert(1, link)


def _finish(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for script in Path(app.srcdir).glob("notebooks/*.py"):
        shutil.copyfile(script, out / "_sources" / "notebooks" / script.name)
    # else Sphinx had nothing to do, and the site is as light as last time
    if (out / WEBFONTS / THEME_FONT).is_file():
        lighten(out)


def lighten(site: Path) -> set[str]:
    """Removes from the built ``site`` the icon script, icons and fonts that no page shows, and
    source maps; returns the icons that stay. Sphinx lays the theme's files anew each time that it
    builds; pages that it did not rebuild are as they were left."""
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        lean = re.sub(rf"\s*<script[^>]*/{re.escape(ICON_SCRIPT)}[^>]*></script>", "", text)
        if lean != text:
            page.write_text(lean, encoding="utf-8")
    scripts = [*site.glob("_static/scripts/*theme.js")]
    used = {
        name
        for path in pages + scripts
        for name in re.findall(r"\bfa-([a-z-]+)\b", path.read_text(encoding="utf-8"))
    }
    css = site / THEME_CSS
    kept: dict[str, str] = {}

    def keep(rule: re.Match[str]) -> str:
        names = set(re.findall(r"\.fa-([\w-]+):", rule[1])) & used
        kept.update(dict.fromkeys(names, rule[2]))
        return rule[0] if names else ""

    text = re.sub(
        r"@font-face\{[^}]*Font Awesome[^}]*\}",
        "",
        ICON_RULE.sub(keep, css.read_text(encoding="utf-8")),
    )
    if lost := used - kept.keys() - STYLES_OF_ICONS:
        log.warning(f"icons without a glyph: {', '.join(sorted(lost))}")
    face = (
        'font-family:"Font Awesome 6 '
        f'Free";font-weight:900;src:url(../vendor/fontawesome/webfonts/{ICON_FONT}) '
        'format("woff")'
    )
    css.write_text(f"{text}\n@font-face{{font-display:block;{face}}}\n", encoding="utf-8")
    others = "".join(
        path.read_text(encoding="utf-8") for path in site.glob("_static/**/*.css") if path != css
    )
    _cut_icons(
        site / WEBFONTS,
        {
            int(code, 16)
            for code in [*kept.values(), *re.findall(r'content:"\\(f[0-9a-f]{3})"', others)]
        },
    )
    (site / "_static" / "scripts" / ICON_SCRIPT).unlink(missing_ok=True)
    for unused in (
        *site.glob("_static/**/*.map"),
        *(p for p in (site / WEBFONTS).iterdir() if p.name != ICON_FONT),
    ):
        unused.unlink()
    return set(kept)


def _cut_icons(webfonts: Path, codes: set[int]) -> None:
    """The glyphs at ``codes`` of the theme's solid icons, as a font of their own."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(webfonts / THEME_FONT, recalcTimestamp=False)
    cutter = subset.Subsetter(subset.Options(hinting=False, layout_features=[]))
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    font.save(webfonts / ICON_FONT)
