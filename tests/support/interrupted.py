"""A training of several seeds that is stopped from outside between two epochs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from avmc_core.runs import together, training_state


@contextmanager
def interrupted_after(saves: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A context that a KeyboardInterrupt must end when so many states have been saved. From then
    on states are saved after every epoch."""
    monkeypatch.setattr(together, "RARELY", 0.0)
    left, save = iter(range(saves - 1)), training_state.save

    def stopping(*rest):
        save(*rest)
        if next(left, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training_state, "save", stopping)
        yield
