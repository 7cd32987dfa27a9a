"""The help says what every command and every option is for, in whole phrases."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from avmc_core.commands.main import main

SUMMARY = 60  # characters, beside the longest name on a line of 80


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, by the words that call it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_and_every_summary_is_a_whole_phrase(words):
    command = COMMANDS[words]
    options = [option for option in command.params if isinstance(option, click.Option)]
    for option in options:
        assert option.help and len(option.help.split()) > 1, (words, option.opts)
        assert option.help.endswith(".") and not option.help.startswith("Of "), option.opts
    assert command.short_help and len(command.short_help) < SUMMARY, words
    assert command.short_help.endswith("."), words


@pytest.mark.parametrize("words", ["", *COMMANDS])
def test_no_help_is_cut_or_shows_markup(words):
    done = CliRunner().invoke(main, [*words.split(), "--help"], terminal_width=80)
    assert done.exit_code == 0, done.output
    assert "..." not in done.output.replace("[ARGS]...", "").replace("[NAMES]...", "")
    assert "``" not in done.output
