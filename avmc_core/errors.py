"""The exceptions whose messages are written for users."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """``1 seed``, ``2 seeds``: for messages."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


class InputError(ValueError):
    """Bad input: says which file and field, what was found and what was expected.

    The command line prints it without a traceback and exits with 2.
    """

    def __init__(self, where, found: str, expected: str):
        super().__init__(f"{where}: found {found}; expected {expected}")
        self.where, self.found, self.expected = str(where), found, expected

    def __reduce__(self):
        return type(self), (self.where, self.found, self.expected)  # out of a worker process


class RunsLost(RuntimeError):
    """Some runs ended without a record; what they had computed is continued when they are asked for
    again.

    The command line prints it without a traceback and exits with 1.
    """
