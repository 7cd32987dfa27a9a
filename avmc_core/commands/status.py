"""``avmc status`` and ``avmc clean``: what the run store holds, which experiments use it, and what
nothing uses."""

from __future__ import annotations

import json

import click

from avmc_core.commands.options import store_option
from avmc_core.errors import counted


def _stores(store: str) -> list:
    """The available stores: the simulated corpora of this version, and an imported one if it is
    named."""
    from avmc_core.data.store import open_store
    from avmc_core.simulated.corpus import present_corpora

    return [*present_corpora(), *([open_store(store)] if store else [])]


@click.command("status")
@click.argument("experiment", default="")
@click.option("--model", default="", help="Only runs of this model.")
@click.option(
    "--store",
    envvar="AVMC_STORE",
    default="",
    help="Only runs on this imported store; default: runs on every store.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per run, for scripts.")
def status(experiment: str, model: str, store: str, as_json: bool) -> None:
    """List the finished runs: what distinguishes them, and the experiments that use them.

    With EXPERIMENT only runs of its rows are listed. The first column is the key that avmc export
    takes.
    """
    from avmc_core.runs.experiments import experiment as declared
    from avmc_core.runs.grid import run_store
    from avmc_core.runs.inventory import differing, uses

    if experiment:
        declared(experiment)
    stores = _stores(store)
    wanted = stores[-1] if store else None  # _stores names it last
    records = [
        record
        for record in run_store()
        if (not model or record.model == model)
        and (wanted is None or record.data["digest"] == wanted.digest)
    ]
    used = uses(records, stores)
    if experiment:
        records = [
            r for r in records if any(row.startswith(f"{experiment}: ") for row in used[r.key].rows)
        ]
    own = differing(records)
    width = max((len(record.model) for record in records), default=0)
    for record in records:
        use = used[record.key]
        data = "simulated corpus" if record.simulated else f"store {record.data['digest'][:8]}"
        if init := record.data.get("init"):
            data += f", from the weights of package {init[:8]}"
        if as_json:
            kept = ("key", "model", "seed", "status", "epochs", "seconds")
            facts = {name: getattr(record, name) for name in kept}
            facts |= {"data": data, "reason": record.reason, "settings": own[record.key]}
            facts |= {"used_by": list(use.rows), "current": use.current}
            click.echo(json.dumps(facts, ensure_ascii=False))
            continue
        by = "; ".join(use.rows) or "no declared experiment"
        age = {True: "", False: ", made by other data, code or libraries", None: ""}[use.current]
        what = ", ".join(f"{name} {value}" for name, value in own[record.key].items())
        click.echo(
            f"{record.key[:12]}  {record.status:6}  {record.model:{width}} seed {record.seed}  "
            f"{record.epochs:3} epochs  "
            f"{record.seconds:7.1f} s  {data}  {record.reason}\n              "
            f"{what or 'published settings'}\n"
            f"              used by {by}{age}"
        )
    where = f" on {wanted.path}" if wanted else ""
    click.echo(f"{counted(len(records), 'run')}{where} in {run_store().root}", err=True)


@click.command("clean")
@store_option
@click.option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
def clean(store: str, yes: bool) -> None:
    """List what is no longer used, the largest first, and with --yes remove it.

    That is: runs that no declared experiment would read, damaged records, interrupted work,
    simulated corpora of other versions. Runs on an imported store are kept unless --store names it;
    runs that a result or a search names are kept. Nothing outside $AVMC_HOME is touched.
    """
    from avmc_core.home import home
    from avmc_core.runs.inventory import leftovers, named_runs, remove

    root = home()
    unused = leftovers(root, _stores(store), named_runs(root))
    for item in unused:
        click.echo(f"{item.size / 1e6:9.2f} MB  {item.path}  {item.why}")
    total = sum(item.size for item in unused) / 1e6
    if not yes:
        click.echo(
            f"{counted(len(unused), 'item')} that nothing uses, {total:.2f} MB; avmc clean --yes "
            f"removes {'it' if len(unused) == 1 else 'them'}"
        )
        return
    busy = [item.path for item in unused if not remove(item, root)]
    click.echo(
        f"{len(unused) - len(busy)} removed of {total:.2f} MB"
        + (f"; in use: {', '.join(map(str, busy))}" if busy else "")
    )
