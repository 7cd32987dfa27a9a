"""Our own questions that the printed digits decide: over how many clips, and over how many runs,
the scores were computed."""

from __future__ import annotations

from avmc_core.data.label_sets import RELABELLED
from avmc_core.paper import digits, granularity
from avmc_core.paper.claim_outcome import Outcome

RARE = 0.01  # a kind is ruled out when figures of that kind would look so less often


def column_clips(metric: str) -> Outcome:
    """Whether the number of clips that fits the printed column best is the one in Table 1."""
    printed, table = digits.clips(metric), digits.ranking(metric)
    best, second = table.iloc[0], granularity.runner_up(table)
    ahead = best["support"] - second["support"]
    fit = (
        f"{best['n']:.0f} fits best: {best[1]:.0f} of {best['of']:.0f} different figures as "
        f"single runs and {best[3]:.0f} as "
        f"means of three, which makes them 10^{ahead:.0f} times as probable as under the next "
        "number of clips "
        f"({second['n']:.0f}); chance does as well with a probability of at most {best['p']:.1g}"
    )
    return Outcome(f"{printed} clips", fit, bool(best["n"] == printed and best["p"] < RARE))


def released_weak_clips() -> Outcome:
    """Whether the test labels that were released have as many weak clips as the printed Acc2_weak
    was computed over."""
    table, released = digits.ranking("Acc2_weak"), digits.weak_clips(RELABELLED)
    best, row = int(table.loc[0, "n"]), table.set_index("n").loc[released]
    fit = (
        f"{released}, which {row[1]:.0f} of {row['of']:.0f} figures fit as single runs and "
        f"{row[3]:.0f} as means of three"
    )
    return Outcome(f"{best} clips, by its digits", fit, best == released)


def one_kind(table: str) -> Outcome:
    """Whether the rows of a table can all be single runs, or all be means of three. In part, if
    all can be single runs once the last digit of one figure is taken for a slip."""
    kinds = digits.kinds(table)
    parts = {
        "can be single runs": kinds.one_run,
        "only means of three": kinds.means,
        "neither": kinds.neither,
    }
    tally = ", ".join(
        f"{len(rows)} {what} ({', '.join(rows)})" for what, rows in parts.items() if rows
    )
    rounded = [row for row in kinds.neither if digits.fits_rounded_runs(table, row)]
    if rounded:
        tally += f"; {', '.join(rounded)} can be a mean of three if every run was rounded before"
    others = len(kinds.means + kinds.neither)
    if kinds.one_run and others:
        tally += (
            "; if all were means of three, so many would look like single runs with a "
            f"probability of {kinds.p:.1g}"
        )
    if not others:
        holds = True
    elif len(rounded) < len(kinds.neither) or (kinds.one_run and kinds.p < RARE):
        holds = False
    else:
        holds = None if kinds.one_run else True
    wrong = digits.misfits(table)
    slip = holds is False and len(wrong) == 1 and wrong[0][-1]
    if slip:
        ((row, metric, figure, _),) = wrong
        tally += (
            f"; if the last digit of {row}'s {metric}, {figure:.2f}, is a slip, all can be single "
            "runs"
        )
    return Outcome("rows of one kind", tally, holds, partly=slip)


CHECKS = {check.__name__: check for check in (column_clips, released_weak_clips, one_kind)}
