"""Whatever the pages call by name exists under that name: files, commands and their options, make
targets and variables."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from avmc_core.commands.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        *(ROOT / "book").glob("*.md"),
        *(ROOT / "notebooks").glob("*.py"),
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
    ]
)
# A fence from its opening line, which says what is in it, to its end; or code within a line.
CODE = re.compile(
    r"^(?:# )?```([^\n`]*)\n(.*?)^(?:# )?```[ \t]*$|(?<!`)`([^`\n]+)`(?!`)",
    re.DOTALL | re.MULTILINE,
)
# fences of these kinds are code; the others are directives of the book
QUOTED = ("", "sh", "console", "python")
FILE = re.compile(r"(?<![\w/.-])(?:avmc_core|tests|tools|book|notebooks)/[\w./-]*\w")
COMMAND = re.compile(r"(?<![\w.])(avmc [a-z][^\n|;#]*)")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("avmc_core", "tools")
    for path in (ROOT / folder).rglob("*.*")
    if path.suffix in (".py", ".sh")
)


def words(path: Path) -> str:
    """The code that a page quotes, one piece per line; of a notebook, that in its prose."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        cells = re.split(r"^# %%", text, flags=re.MULTILINE)[1:]
        text = "\n".join(cell for cell in cells if cell.startswith(" [markdown]"))
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    return "\n".join(
        inline or block
        for kind, block, inline in CODE.findall(text)
        if inline or kind.strip() in QUOTED
    )


def called(line: str) -> click.Command | None:
    """The command that ``avmc ...`` calls; None when there is no such command."""
    command: click.Command = main
    for word in line.split()[1:]:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
        if command is None:
            return None
    return command


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_a_page_names_exists(path):
    quoted = words(path)
    wrong = [
        name
        for name in FILE.findall(quoted)
        if not (ROOT / name).exists() and not name.endswith(("wordless.py", ".html", "NAME.py"))
    ]
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    wrong += [
        f"make {name}"
        for name in re.findall(r"^(?:\w+=\S+ )*make ([a-z-]+)", quoted, re.MULTILINE)
        if name not in targets
    ]
    wrong += [name for name in re.findall(r"\bAVMC_[A-Z]+\b", quoted) if name not in SOURCES]
    for line in COMMAND.findall(quoted):
        command = called(line)
        if command is None:
            wrong.append(line)
        elif not isinstance(command, click.Group):
            known = {option for parameter in command.params for option in parameter.opts} | {
                "--help"
            }
            wrong += [
                f"{line}: {option}"
                for option in re.findall(r"(?<!\S)--[a-z-]+", line)
                if option not in known
            ]
    assert not wrong


def test_the_check_sees_commands_and_would_notice_a_wrong_one():
    found = [line for path in PAGES for line in COMMAND.findall(words(path))]
    assert len(found) > 20
    assert (
        called("avmc data import x") is not None
        and called("avmc data imprt x") is None
        and called("avmc rum") is None
    )
