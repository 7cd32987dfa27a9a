"""The switch between what the reference does and what it should do, for each D number separately.

A baseline's settings have a field ``mended``: the D numbers of the differences that are put right.
Empty, the default, is the reference as it runs, defects included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avmc_core.errors import InputError
from avmc_core.settings import check_settings


def check_with_fixes(settings: Any, mendable: Sequence[str]) -> None:
    """Raises InputError as ``check_settings`` does, and if ``settings.mended`` names a difference
    that the model does not have or that cannot be mended."""
    check_settings(settings)
    for number in settings.mended:
        if number not in mendable:
            expected = (
                f"any of {', '.join(mendable)}"
                if mendable
                else "none: this model has nothing to mend"
            )
            raise InputError(f"{type(settings).__name__}.mended", repr(number), expected)
