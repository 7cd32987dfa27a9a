"""``make torture``: everything, with counts. An interrupted torture is continued."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Children that fork and limits of memory go with no GPU.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import click

from avmc_core.files.atomic import new_file
from torture import report
from torture.hostile import MODULES

KILLED = ("import", "training", "grid", "extraction", "book build")
PARTS = (*MODULES, "faults", *KILLED)


@click.command()
@click.option(
    "--out",
    default="_build/torture",
    show_default=True,
    type=click.Path(path_type=Path),
    help="For the counts.",
)
@click.option("--seed", default=9, show_default=True)
@click.option(
    "--files",
    default=170,
    show_default=True,
    help="Random hostile files per family, in addition to the listed ones.",
)
@click.option("--kills", default=50, show_default=True, help="Kills of each job.")
@click.option("--only", default="", help=f"Comma-separated: {', '.join(PARTS)}.")
@click.option("--record", is_flag=True, help="Write the counts into the package, for the book.")
def main(out: Path, seed: int, files: int, kills: int, only: str, record: bool) -> None:
    """Hostile files, kills and faults. The exit status is 1 when anything ended badly."""
    chosen = [part for part in PARTS if not only or part in only.split(",")]
    settings = {"seed": seed, "files": files, "kills": kills, **report.code()}
    out.mkdir(parents=True, exist_ok=True)
    for part in chosen:
        _resume(out / f"{part.replace(' ', '_')}.json", part, settings)
    result = report.collect(out, PARTS, settings)
    click.echo(report.render(result))
    with new_file(out / "torture.json") as temporary:
        temporary.write_text(
            json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    if record:
        report.record(result)
    sys.exit(1 if result["data"]["totals"]["bad"] else 0)


def _resume(path: Path, part: str, settings: dict) -> None:
    """One part, unless it was done with these settings and this code; the smallest piece is a chain
    of kills."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if known.get("settings") != settings:
        known = {"settings": settings, "done": False, "seconds": 0.0}
    if known["done"]:
        return
    start, spent = time.perf_counter(), known["seconds"]

    def tell(rows: list | dict, done: bool = False) -> None:
        known.update(rows=rows, done=done, seconds=spent + time.perf_counter() - start)
        with new_file(path) as temporary:
            temporary.write_text(
                json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )

    memory = Path("/dev/shm")
    place = Path(
        tempfile.mkdtemp(prefix="torture-", dir=memory if os.access(memory, os.W_OK) else None)
    )
    os.environ["AVMC_HOME"] = str(place / "home")
    try:
        tell(_part(part, settings, known.get("rows"), place, tell), done=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _part(part: str, settings: dict, before, place: Path, tell: Callable) -> list | dict:
    if part in MODULES:
        from torture import hostile

        return list(hostile.run(part, settings["files"], settings["seed"], place))
    if part == "faults":
        from torture import faults

        return faults.run(place)
    from torture import jobs, kills

    (job,) = jobs.jobs(place / "shared", [part])
    return kills.torture(job, settings["kills"], settings["seed"], place, before, tell)


if __name__ == "__main__":
    main()
