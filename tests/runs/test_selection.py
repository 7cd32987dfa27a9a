"""A page gets the runs that it names, in that order, or one clear error."""

from __future__ import annotations

import pytest

from avmc_core.errors import InputError
from avmc_core.runs.selection import runs_of


def test_rows_come_in_the_order_they_are_named():
    runs = runs_of(
        {"table4": ["AV-MC (paper)", "w/o Mixup-AV (paper)"], "avmc": ["Late mean"]}, "ci"
    )
    assert list(dict.fromkeys(run.name for run in runs)) == [
        "AV-MC (paper)",
        "w/o Mixup-AV (paper)",
        "Late mean",
    ]
    assert len({run.seed for run in runs if run.name == "AV-MC (paper)"}) > 1


@pytest.mark.parametrize(
    ("models", "match"),
    [({"table4": ["AV-MC"]}, "row 'AV-MC'"), ({"table9": ["AV-MC"]}, "'table9'")],
)
def test_what_is_not_declared_is_one_clear_error(models, match):
    with pytest.raises(InputError, match=match):
        runs_of(models, "ci")
