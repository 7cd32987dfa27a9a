"""Checks a built book: every internal link and anchor exists, nothing is loaded from elsewhere,
pages are marked and light, captions say data and command, and the command under the benchmark's
table prints what the table shows."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import check_captions

# a page and the table on it whose command is run
SAMPLE = ("notebooks/03_benchmark.html", "benchmark")
LOADS = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
}
# of the site the PDF is a quarter, and the notebooks to download another
LANDING_BYTES, SITE_BYTES = 1_000_000, 45_000_000


class Page(HTMLParser):
    """Links, loaded files and anchors of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := attributes.get(name)))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        relation = attributes.get("rel", "")
        if (
            tag in LOADS
            and attributes.get(LOADS[tag])
            and relation not in ("canonical", "search", "next", "prev", "index")
        ):
            self.loads.append(attributes[LOADS[tag]])


def problems(root: Path) -> list[str]:
    """One sentence for each thing that is wrong with the book under ``root``."""
    files = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    if not (root / "index.html").is_file():
        return [f"{root}: no index.html"]
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in files}
    faults = []
    for path, page in pages.items():
        where = path.relative_to(root.resolve())
        for load in page.loads:
            if urlsplit(load).scheme in ("http", "https") or load.startswith("//"):
                faults.append(f"{where}: loads {load}")
            elif not load.startswith("data:") and not target(path, load).is_file():
                faults.append(f"{where}: {load} does not exist")
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = target(path, link) if parts.path else path
            if not goal.is_file():
                faults.append(f"{where}: link to {link}, which does not exist")
            elif (
                parts.fragment
                and goal in pages
                and unquote(parts.fragment) not in pages[goal].anchors
            ):
                faults.append(f"{where}: link to {link}, which has no such anchor")
        faults += [f"{where}: {problem}" for problem in check_captions.problems(path)]
        if "notebooks" in where.parts and "avmc-mark" not in path.read_text(encoding="utf-8"):
            faults.append(f"{where}: shows results without saying on which data")
    for style in root.rglob("*.css"):
        for address in re.findall(
            r"url\(['\"]?(https?:[^)'\"]+)", style.read_text(encoding="utf-8", errors="replace")
        ):
            faults.append(f"{style.relative_to(root)}: loads {address}")
    landing = {
        root.resolve() / "index.html",
        *(target(root.resolve() / "index.html", x) for x in page_of(pages, root).loads),
    }
    weights = {"landing page": (landing, LANDING_BYTES), "site": (root.rglob("*"), SITE_BYTES)}
    for name, (parts, limit) in weights.items():
        size = sum(path.stat().st_size for path in parts if path.is_file())
        print(f"{name}: {size / 1e6:.2f} MB")
        if size > limit:
            faults.append(f"{name}: {size} bytes, more than {limit}")
    print(f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links")
    return faults


def page_of(pages: dict[Path, Page], root: Path) -> Page:
    return pages[(root / "index.html").resolve()]


def target(page: Path, link: str) -> Path:
    return (page.parent / unquote(urlsplit(link).path)).resolve()


if __name__ == "__main__":
    book = Path(sys.argv[1])
    wrong = problems(book)
    wrong += [
        f"{SAMPLE[0]}: {problem}"
        for problem in check_captions.reproduced(book / SAMPLE[0], SAMPLE[1])
    ]
    print("\n".join(wrong) or "nothing wrong")
    sys.exit(bool(wrong))
