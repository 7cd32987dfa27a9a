"""The beginning and the end of a notebook's page: what a reader will find, what the page needs and
how long it takes to compute; and its message in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from avmc_core.artefacts import data_mark

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Markdown

    from avmc_core.data.store import Store
    from avmc_core.runs.store import Record, Run

AT_ONCE = "Seconds: nothing is trained for it."


def opening(
    find: str,
    source: Store | pd.DataFrame | str | None,
    records: Mapping[Run, Record] | None = None,
    needs: str = "",
) -> Markdown:
    """What a reader will find on a page, what the page needs, and how long it takes to compute.

    ``find`` is a noun phrase; ``source`` as for ``artefacts.data_mark``; ``records`` are all runs
    behind the page, each counted once; ``needs`` names what else is needed.
    """
    from IPython.display import Markdown

    besides = f"; {needs}" if needs else ""
    lines = [
        f"- **What you will find:** {find}.",
        f"- **What it needs:** {data_mark(source)}{trained(records)}{besides}.",
        f"- **How long it takes:** {duration(records)}",
    ]
    return Markdown("\n".join(lines))


def in_one_sentence(text: str) -> Markdown:
    """The message of a page, at its end."""
    from IPython.display import Markdown

    return Markdown(f"**In one sentence:** {text}")


def trained(records: Mapping[Run, Record] | None) -> str:
    """How many runs stand behind a page, in words."""
    count = len({record.key for record in records.values()}) if records else 0
    return f"; {count} run{'s' if count != 1 else ''} trained on it" if count else ""


def duration(records: Mapping[Run, Record] | None) -> str:
    """How long the runs took, each counted once, in minutes of one process, in
    round figures."""
    if not records:
        return AT_ONCE
    seconds = sum({record.key: record.seconds for record in records.values()}.values())
    minutes = seconds / 60
    length = (
        "less than a minute"
        if minutes < 1
        else f"about {round(minutes)} minute{'s' if minutes >= 1.5 else ''}"
        if minutes < 10
        else f"about {5 * round(minutes / 5)} minutes"
    )
    return f"The runs took {length} of one process; once they are stored, the page takes seconds."
