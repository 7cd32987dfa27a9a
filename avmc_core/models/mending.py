"""The switch between the reference's behaviour, defects included (``mended=()``, "as run"), and mended differences (D numbers)."""

from __future__ import annotations

from avmc_core.errors import InputError


def check_mended(where: str, mended: tuple[str, ...], mendable: tuple[str, ...]) -> None:
    """Raises InputError if ``mended`` names a difference that this model does not have or cannot mend."""
    for difference in mended:
        if difference not in mendable:
            raise InputError(f"{where}.mended", repr(difference), f"any of {', '.join(mendable)}" if mendable else "()")
