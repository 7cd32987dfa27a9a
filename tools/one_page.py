"""All pages of a built book as one HTML document, in the order of its table of contents: what
make_pdf.py prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

DROPPED = ("script", "a.headerlink", "details.hide.above-input", ".filters", ".copybtn", "iframe")
STYLES = ("_static/pygments.css", "_static/avmc.css")


@dataclass(frozen=True)
class Chapter:
    """One page: where it is (relative to the site, no suffix), the part that it opens or "", and
    its body."""

    name: str
    part: str
    title: str
    body: Tag


def listed(toc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Page and the caption of the part that it opens ("" for the others), in the order of
    ``_toc.yml``."""
    yield toc["root"], ""
    for part in toc["parts"]:
        for i, chapter in enumerate(part["chapters"]):
            yield chapter["file"], "" if i else part["caption"]


def chapters(site: Path, toc: Path) -> list[Chapter]:
    """The pages' articles, ready to stand in one document beside each other."""
    pages = list(listed(yaml.safe_load(toc.read_text(encoding="utf-8"))))
    names = {name: i for i, (name, _) in enumerate(pages)}
    articles = []
    for name, part in pages:
        article = BeautifulSoup(
            (site / f"{name}.html").read_text(encoding="utf-8"), "html.parser"
        ).select_one("article.bd-article")
        for selector in DROPPED:
            for tag in article.select(selector):
                tag.decompose()
        for folded in article.select("td details > :not(summary)"):
            folded.decompose()  # unfolded in a narrow column it would fill pages
        for details in article.select("details"):
            details["open"] = ""
        _move(article, name, names, site)
        articles.append(Chapter(name, part, article.h1.get_text(" ", strip=True), article))
    return articles


def _move(article: Tag, name: str, names: dict[str, int], site: Path) -> None:
    """Makes the anchors of a page unique in the whole document, and its links and pictures hold
    from the site's root."""
    base = (site / name).parent
    own = {tag["id"] for tag in article.find_all(id=True)}
    for tag in article.find_all(id=True):
        tag["id"] = anchor(names[name], tag["id"])
    for style in article.find_all("style"):
        style.string = re.sub(
            r"#([A-Za-z][\w-]*)",
            lambda match: f"#{anchor(names[name], match[1])}" if match[1] in own else match[0],
            style.string or "",
        )
    for tag, attribute in (
        (tag, "src" if tag.name == "img" else "href") for tag in article.find_all(["img", "a"])
    ):
        parts = urlsplit(tag.get(attribute, ""))
        if parts.scheme or parts.netloc:
            continue
        if not parts.path:
            tag[attribute] = f"#{anchor(names[name], parts.fragment)}"
            continue
        place = (base / parts.path).resolve().relative_to(site.resolve()).as_posix()
        chapter = names.get(place.removesuffix(".html")) if place.endswith(".html") else None
        if chapter is not None:
            tag[attribute] = f"#{anchor(chapter, parts.fragment)}"
        elif tag.name == "img":
            tag[attribute] = place
        else:
            del tag[attribute]  # a file of the site: not in the PDF


def anchor(chapter: int, identifier: str = "") -> str:
    return f"c{chapter}-{identifier}" if identifier else f"c{chapter}"


def document(
    book: list[Chapter], site: Path, css: str, title: str, facts: list[str], pages: dict[str, int]
) -> str:
    """The whole book as HTML; ``facts`` stand on the title page, ``pages`` gives the page of each
    chapter's anchor."""
    styles = "".join(
        f'<link rel="stylesheet" href="{name}">' for name in STYLES if (site / name).is_file()
    )
    entries = "".join(
        (f'<p class="part">{escape(chapter.part)}</p>' if chapter.part else "")
        + f'<li><a href="#{anchor(i)}">{escape(chapter.title)}</a><span '
        f'class="page">{pages.get(anchor(i), "")}</span></li>'
        for i, chapter in enumerate(book)
    )
    bodies = "".join(
        f'<article id="{anchor(i)}">'
        + (f'<p class="part">{escape(chapter.part)}</p>' if chapter.part else "")
        + chapter.body.decode_contents()
        + "</article>"
        for i, chapter in enumerate(book)
    )
    cover = (
        f'<div class="cover"><p class="title">{escape(title)}</p><div '
        f'class="facts">{"".join(facts)}</div></div>'
    )
    return (
        '<!doctype html><html lang="en" data-theme="light"><head><meta '
        f'charset="utf-8"><title>{escape(title)}</title>{styles}'
        f"<style>{css}</style>"
        "<script>window.MathJax = {options: {processHtmlClass: "
        '"tex2jax_process|mathjax_process|math|output_area"}}</script>'
        '<script defer src="_static/mathjax/tex-mml-chtml.js"></script></head><body>'
        f'{cover}<div class="contents"><p '
        f'class="contents-title">Contents</p><ol>{entries}</ol></div>{bodies}</body></html>'
    )
