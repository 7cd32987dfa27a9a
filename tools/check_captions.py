"""Checks the captions of a built book: under every figure and table of results stand its data and
its command, no figure from simulated data lacks the word, and the command of a table of results
prints the figures that the table shows."""

from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path

from avmc_core.artefacts import IMPORTED, other_data

# What a caption may say instead of the data of its page's mark: there is no data of clips behind
# it, or only counts, or something that the package carries because it was measured once, elsewhere.
NO_CLIPS = (
    "none",
    "published tables only",
    "published figures only",
    "printed figures only",
    "real label",
    "made-up clips",
    "made-up accuracies",
)
RECORDED = ", recorded"
PUBLISHED = "table-table"  # ids of the paper's own tables, which no command makes
# A tool where the package carries what it recorded.
CALL = r"(?:(AVMC_STORE=STORE )?(avmc|make) [a-z]|python tools/[a-z_]+\.py)[^&]*"
ELSEWHERE = r"what commit [0-9a-f]+ of [-0-9]+ ran"  # on a machine that nobody here can ask again
COMMAND = re.compile(rf"command: (?:{CALL}(&& {CALL})*|{ELSEWHERE})$")
VOID = {"br", "circle", "hr", "img", "input", "link", "meta", "path", "source"}
TOLERANCE = 1e-6  # of a figure on its display scale: both come from the same predictions


class Captions(HTMLParser):
    """Walks a page: ``uncaptioned`` are figures and tables without a caption before the next cell
    or section, ``captioned`` pairs of a caption with the files of the figures above it, ``marks``
    the data that the page names at its top."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[tuple[str, str, str]] = []  # tag, classes, id
        self.pending: list[str] = []
        self.uncaptioned: list[str] = []
        self.captioned: list[tuple[str, list[str]]] = []
        self.marks: set[str] = set()
        self.results = False
        self.feed(text)
        self._leave()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        classes, name = attributes.get("class") or "", attributes.get("id") or ""
        if tag not in VOID:
            self.open.append((tag, classes, name))
        if tag == "section" or "cell docutils" in classes:
            self._leave()
        if tag == "img" and self._within("cell_output"):
            self.pending.append(attributes.get("src") or "")
        elif ("avmc-t" in classes.split() and not name.startswith(PUBLISHED)) or (
            tag == "table" and self._within("cell_output") and not self._within("avmc-t")
        ):
            self.pending.append(name or "a table")
        self.results |= "avmc-num" in classes or (
            "avmc-t" in classes.split() and not name.startswith(PUBLISHED)
        )
        if "avmc-caption" in classes:
            self.captioned.append(("", self.pending))
            self.pending = []

    def handle_endtag(self, tag):
        while self.open and tag not in VOID and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if self._within("avmc-caption"):
            self.captioned[-1] = (self.captioned[-1][0] + data, self.captioned[-1][1])
        if self._within("avmc-mark") and self.open[-1][0] == "strong":
            self.marks.add(data)

    def _within(self, word: str) -> bool:
        return any(word in classes.split() for _, classes, _ in self.open)

    def _leave(self):
        self.uncaptioned += self.pending
        self.pending = []


def problems(path: Path) -> list[str]:
    """One sentence for each thing that is wrong with the captions of one page."""
    page = Captions(path.read_text(encoding="utf-8"))
    faults = [f"{what} has no caption" for what in page.uncaptioned]
    if page.results and not page.marks:
        faults.append("shows results without saying on which data")
    for caption, shown in page.captioned:
        line = " ".join(caption.split())
        data = re.match(r"Data: (.+?) ·", line)
        if not data or not COMMAND.search(line):
            faults.append(f"a caption without data or command: {line[:80]!r}")
        elif (
            data[1] not in page.marks
            and not data[1].startswith(NO_CLIPS)
            and not data[1].endswith(RECORDED)
        ):
            faults.append(
                f"a caption about {data[1]!r} on a page about {' and '.join(sorted(page.marks))}"
            )
        elif "published figures lie within" in line and (
            other_data(data[1]) or not data[1].startswith(IMPORTED)
        ):
            faults.append(f"a caption about {data[1]!r} that counts published figures as met")
        elif data[1].startswith("simulated"):
            figures = [path.parent / name for name in shown if name.endswith(".svg")]
            faults += [
                f"{f.name} does not say simulated"
                for f in figures
                if "<!-- data: simulated" not in f.read_text()
            ]
    return faults


def shown_figures(html: str, name: str) -> dict[tuple[str, str], float]:
    """Row and metric to the figure in the CSV that the table ``name`` of a page carries."""
    table = html[html.index(f'id="table-{name}"') :]
    data = base64.b64decode(re.search(r"base64,([^\"]+)\"", table)[1]).decode()
    return {
        (row["Model"], column.split()[0].replace("²", "2")): float(value)
        for row in csv.DictReader(io.StringIO(data))
        for column, value in row.items()
        if re.fullmatch(r"\S+ [↑↓]", column) and value
    }


def printed_figures(text: str) -> dict[tuple[str, str], float]:
    """The same from what ``avmc results ... --format csv`` prints: means over the seeds, on the
    metric's own scale."""
    values = defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        for metric, value in row.items():
            if value and metric in ("Acc2", "F1", "Acc2_weak", "Corr", "R2", "MAE"):
                values[row["name"], metric].append(float(value))
    return {key: sum(by_seed) / len(by_seed) for key, by_seed in values.items()}


def unlike(html: str, name: str, text: str) -> list[str]:
    """The figures of a table that are not those that its command prints."""
    printed, differences = printed_figures(text), []
    for (row, metric), shown in shown_figures(html, name).items():
        value = printed.get((row, metric), float("nan")) * (1 if metric == "MAE" else 100)
        if not abs(value - shown) <= TOLERANCE:
            differences.append(f"{row}, {metric}: {shown} on the page, {value} printed")
    return differences


def reproduced(path: Path, name: str) -> list[str]:
    """Runs the command in the caption of the table ``name`` of a page; what differs."""
    html = path.read_text(encoding="utf-8")
    command = next(
        re.search(r"command: (?:\S+=STORE )?avmc (results .+)", " ".join(caption.split()))[
            1
        ].split()
        for caption, shown in Captions(html).captioned
        if f"table-{name}" in shown
    )
    avmc = [sys.executable, "-c", "from avmc_core.commands.main import main; main()"]
    run = subprocess.run([*avmc, *command, "--format", "csv"], capture_output=True, text=True)
    return [run.stderr.strip()] if run.returncode else unlike(html, name, run.stdout)
