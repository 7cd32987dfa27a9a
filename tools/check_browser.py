"""Opens every page of a built book in Chromium, in both themes and two widths, from the file
system; its layout is also looked at in a width between.

Fails on a JavaScript error, a request that leaves the page, mathematics that is not rendered, a
page that scrolls sideways, a clipped link to the page before or after, a picture whose alternative
text is a file name or empty, a table that does not sort, a search without hits, a landing page that
weighs too much, an interactive figure that does not react to the keyboard, and a serious
accessibility finding. ``--shots FOLDER`` keeps a picture of each page, ``--report FILE`` the list
of pages with what was found on each.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from browser import CHROMIUM, launch

THEMES = ("light", "dark")
WIDTHS = (390, 1440)  # pixels: a phone, a laptop
BETWEEN = 768  # pixels: a tablet, to which the window of a laptop is narrowed
SEARCH = "mixup"
LANDING_BYTES = 1_000_000
OUTSIDE = re.compile("^(http|ws)")
ASKED = ".avmc-cues, .avmc-mix"  # figures that the reader asks
SETTLE_MS = 300  # for scripts that run once the page is loaded
UNRENDERED = (
    "[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length"
)
SIDEWAYS = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll(".prev-next-area a, .prev-next-area a *")].some(e => {
  const box = e.getBoundingClientRect();
  return box.width && (box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5);
})"""
# Tables that are cut, by more than a letter, where the window is as wide as a laptop's.
HIDDEN = """() => [...document.querySelectorAll(".avmc-t .box")]
  .filter(box => box.scrollWidth > box.clientWidth + 8)
  .map(box => box.ariaLabel)"""
UNTOLD = r"""() => [...document.querySelectorAll("main img")].map(e => e.getAttribute("alt") || "")
  .filter(alt => !alt.trim() || /\.(svg|png|jpe?g|gif|webp)$/i.test(alt))"""
# Clicks the second heading of each table that sorts, twice; both times its column must be in order,
# words or numbers.
SORTS = """() => [...document.querySelectorAll("table")]
  .filter(t => t.querySelectorAll("th button").length > 1).map(table => {
  const column = 1, button = table.querySelectorAll("th button")[column];
  const keys = () => [...table.tBodies[0].rows].map(r => r.cells[column])
    .map(c => c.dataset.sort || c.textContent.trim()).filter(k => k !== "" && k !== "–");
  const number = k => parseFloat(k);
  const inOrder = (k, sign) => k.every((x, i) => !i
    || (isNaN(number(x)) || isNaN(number(k[i - 1])) ? true
    : sign * (number(x) - number(k[i - 1])) >= 0));
  button.click(); const up = keys(); button.click(); const down = keys();
  const fine = (inOrder(up, 1) && inOrder(down, -1)) || (inOrder(up, -1) && inOrder(down, 1));
  return fine ? "" : table.closest("[id]").id;
}).filter(Boolean)"""


def open_page(context, path: Path, query: str = "") -> tuple[object, list[str], list[str]]:
    """The loaded page, one sentence for each error and outside request while it loaded, and the
    addresses requested."""
    page, errors, requested = context.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(f"JavaScript error: {error}"))
    page.on(
        "console",
        lambda message: (
            errors.append(f"console: {message.text}") if message.type == "error" else None
        ),
    )
    page.on("request", lambda r: requested.append(r.url))
    page.route(OUTSIDE, lambda route: route.abort())
    page.goto(path.resolve().as_uri() + query)
    page.wait_for_timeout(SETTLE_MS)
    errors += [f"requests {url}" for url in requested if OUTSIDE.match(url)]
    return page, errors, requested


def problems(context, path: Path, shot: Path | None) -> list[str]:
    """What is wrong with one page in one theme and width."""
    page, faults, requested = open_page(context, path)
    if page.locator(".math").count():
        page.wait_for_function(f"{UNRENDERED} === 0 || !window.MathJax", timeout=20_000)
        if count := page.evaluate(UNRENDERED):
            faults.append(f"{count} formulas not rendered")
    faults += unfitting(page)
    if page.viewport_size["width"] == max(WIDTHS):
        faults += [f"a table wider than its place: {name}" for name in page.evaluate(HIDDEN)]
    faults += [f"a picture with {alt!r} for words" for alt in page.evaluate(UNTOLD)]
    faults += accessibility(page)
    if shot:
        page.screenshot(path=shot, full_page=True)
    faults += [f"table {name} does not sort" for name in page.evaluate(SORTS)]
    faults += [f"a figure does not answer {name!r} by keyboard" for name in deaf(page)]
    if path.name == "index.html" and (weight := bytes_of(requested)) > LANDING_BYTES:
        faults.append(f"loads {weight} bytes, more than {LANDING_BYTES}")
    if page.viewport_size["width"] == max(WIDTHS):
        page.set_viewport_size({"width": BETWEEN, "height": 900})
        page.wait_for_timeout(SETTLE_MS)
        faults += [f"at {BETWEEN} px {problem}" for problem in unfitting(page)]
        if shot:
            page.screenshot(path=shot.with_stem(f"{shot.stem}-{BETWEEN}"), full_page=True)
    page.close()
    return faults


def unfitting(page) -> list[str]:
    """What does not fit into the width of the window."""
    faults = []
    if (excess := page.evaluate(SIDEWAYS)) > 0:
        faults.append(f"{excess} px wider than the window")
    if page.evaluate(CUT):
        faults.append("a link to the page before or after is cut")
    return faults


def deaf(page) -> list[str]:
    """The inputs of interactive figures whose use by keyboard changes nothing in the figure."""
    unmoved = []
    for ask in page.locator(ASKED).all():
        names = [field.get_attribute("name") for field in ask.locator("input").all()]
        for name in dict.fromkeys(names):
            field, before = ask.locator(f'input[name="{name}"]'), ask.inner_text()
            kind = field.first.get_attribute("type")
            # of radio buttons the chosen one has the keyboard
            (
                ask.locator(f'input[name="{name}"]:checked') if kind == "radio" else field.first
            ).focus()
            page.keyboard.press("Space" if kind == "checkbox" else "ArrowRight")
            if ask.inner_text() == before:
                unmoved.append(name)
    return unmoved


def bytes_of(addresses: list[str]) -> int:
    """The size of the files behind ``file:`` addresses, each counted once."""
    paths = {
        Path(unquote(urlsplit(address).path))
        for address in addresses
        if address.startswith("file:")
    }
    return sum(path.stat().st_size for path in paths if path.is_file())


def accessibility(page) -> list[str]:
    """Serious and critical findings of axe-core, with the first element that each concerns."""
    from axe_playwright_python.sync_playwright import Axe

    # without preload: it would fetch the style sheets, which a browser refuses on the file system
    violations = (
        Axe()
        .run(page, options={"preload": False, "resultTypes": ["violations"]})
        .response["violations"]
    )
    return [
        f"axe {v['id']} ({len(v['nodes'])}): {v['nodes'][0]['html'][:120]}"
        for v in violations
        if v["impact"] in ("serious", "critical")
    ]


def searches(context, root: Path) -> list[str]:
    """The search page must find a word that the book is full of."""
    page, faults, _ = open_page(context, root / "search.html", f"?q={SEARCH}")
    try:
        page.wait_for_selector("#search-results li", timeout=10_000)
    except Exception as error:  # playwright's own class is not importable without playwright
        faults.append(f"finds nothing for {SEARCH!r} ({type(error).__name__})")
    page.close()
    return faults


def check(root: Path, theme: str, shots: Path | None) -> dict[str, list[str]]:
    """Page, theme and width to what is wrong there, for all pages in one theme, in a browser of its
    own."""
    by_place = {}
    with launch() as browser:
        for width in WIDTHS:
            context = browser.new_context(
                color_scheme=theme, viewport={"width": width, "height": 900}
            )
            for path in pages_of(root):
                name = path.relative_to(root).with_suffix("").as_posix()
                shot = shots and shots / f"{name.replace('/', '-')}-{theme}-{width}.png"
                by_place[f"{name}, {theme}, {width}"] = problems(context, path, shot)
            by_place[f"search, {theme}, {width}"] += searches(context, root)
            context.close()
    return by_place


def pages_of(root: Path) -> list[Path]:
    return [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    if CHROMIUM is None:
        print("no browser check: it needs Chromium and playwright (the extra 'check')")
        return 0
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(len(THEMES)) as pool:
        parts = pool.map(
            check, itertools.repeat(options.root), THEMES, itertools.repeat(options.shots)
        )
        by_place = {where: problems for part in parts for where, problems in part.items()}
    if options.report:
        options.report.write_text(json.dumps(by_place, indent=1) + "\n", encoding="utf-8")
    wrong = Counter(
        f"{where}: {problem}" for where, problems in by_place.items() for problem in problems
    )
    print(
        "\n".join(f"{problem} (x{count})" for problem, count in sorted(wrong.items()))
        or "nothing wrong"
    )
    print(
        f"{len(pages_of(options.root))} pages in {len(THEMES)} themes and {len(WIDTHS) + 1} "
        f"widths: {len(wrong)} problems"
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
