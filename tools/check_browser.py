"""Opens every page of a built book in Chromium, in both themes and two widths, from the file system.

Fails on a JavaScript error, a request that leaves the page, mathematics that stays unrendered, a page that scrolls sideways, a
search without hits, and a serious accessibility finding. ``--shots FOLDER`` keeps a picture of each page.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
THEMES = ("light", "dark")
WIDTHS = (390, 1440)  # pixels: a phone, a laptop
SEARCH = "mixup"
OUTSIDE = re.compile("^(http|ws)")
SETTLE_MS = 400  # for scripts that run once the page is loaded
UNRENDERED = "[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length"
SIDEWAYS = "document.scrollingElement.scrollWidth - document.documentElement.clientWidth"


def open_page(context, path: Path, query: str = "") -> tuple[object, list[str]]:
    """The loaded page and one sentence for each error and outside request while it loaded."""
    page, found = context.new_page(), []
    page.on("pageerror", lambda error: found.append(f"JavaScript error: {error}"))
    page.on("console", lambda message: found.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("request", lambda r: found.append(f"requests {r.url}") if r.url.startswith(("http", "ws")) else None)
    page.route(OUTSIDE, lambda route: route.abort())
    page.goto(path.resolve().as_uri() + query)
    page.wait_for_timeout(SETTLE_MS)
    return page, found


def problems(context, path: Path, shot: Path | None) -> list[str]:
    """What is wrong with one page in one theme and width."""
    page, found = open_page(context, path)
    if page.locator(".math").count():
        page.wait_for_function(f"{UNRENDERED} === 0 || !window.MathJax", timeout=20_000)
        if count := page.evaluate(UNRENDERED):
            found.append(f"{count} formulas not rendered")
    if (excess := page.evaluate(SIDEWAYS)) > 0:
        found.append(f"{excess} px wider than the window")
    if page.viewport_size["width"] == max(WIDTHS):  # slow, and the same in each width
        found += accessibility(page)
    if shot:
        page.screenshot(path=shot, full_page=True)
    page.close()
    return found


def accessibility(page) -> list[str]:
    """Serious and critical findings of axe-core, with the first element that each concerns."""
    from axe_playwright_python.sync_playwright import Axe

    # without preload: it would fetch the style sheets, which a browser refuses on the file system
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    return [
        f"axe {v['id']} ({len(v['nodes'])}): {v['nodes'][0]['html'][:120]}"
        for v in violations
        if v["impact"] in ("serious", "critical")
    ]


def searches(context, root: Path) -> list[str]:
    """The search page must find a word that the book is full of."""
    page, found = open_page(context, root / "search.html", f"?q={SEARCH}")
    page.wait_for_timeout(4 * SETTLE_MS)
    if not page.locator("#search-results li").count():
        found.append(f"finds nothing for {SEARCH!r}")
    page.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--shots", type=Path)
    options = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        browser_path = None
    if browser_path is None:
        print("no browser check: it needs Chromium and playwright (the extra 'check')")
        return 0
    pages = [path for path in sorted(options.root.rglob("*.html")) if "_static" not in path.parts]
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    wrong: Counter[str] = Counter()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        for theme, width in itertools.product(THEMES, WIDTHS):
            context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
            for path in pages:
                name = path.relative_to(options.root).with_suffix("").as_posix()
                shot = options.shots and options.shots / f"{name.replace('/', '-')}-{theme}-{width}.png"
                wrong.update(f"{name}, {theme}, {width}: {problem}" for problem in problems(context, path, shot))
            wrong.update(f"search, {theme}, {width}: {problem}" for problem in searches(context, options.root))
            context.close()
        browser.close()
    print("\n".join(f"{problem} (x{count})" for problem, count in sorted(wrong.items())) or "nothing wrong")
    print(f"{len(pages)} pages in {len(THEMES)} themes and {len(WIDTHS)} widths: {len(wrong)} problems")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
