"""Unimodal representations of trained models, with measures of what the paper reads off the picture
in Figure 7, computed in the original space.

A representation is what a model calls ``Feature_t``, ``Feature_a``, ``Feature_v``. Their widths
differ (the paper prints none and does not say how it put them into one picture); here the shorter
ones get zeros at their end, which leaves every distance within a modality as it is. Nothing in the
training fixes how the axes of one modality lie relative to those of another; the initial weights
alone decide it. Distances *between* modalities are to be read with that in mind, and centred kernel
alignment, which no rotation changes, is measured beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, combinations_with_replacement

import numpy as np
import torch
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import pairwise_distances

from avmc_core import schema
from avmc_core.analysis.statistics import Interval, multiplicities, percentile
from avmc_core.data.batches import SplitData
from avmc_core.data.store import Split, Store
from avmc_core.errors import InputError
from avmc_core.models import registry
from avmc_core.models.base import Model
from avmc_core.runs.execution import deterministic, network
from avmc_core.runs.grid import trained
from avmc_core.runs.kept import kept
from avmc_core.runs.store import Record, Run

MEASURES = (
    "silhouette by modality",
    *(f"{kind}, {name}" for kind in ("spread", "dimensions") for name in schema.MODALITIES),
    *(f"alignment, {a} and {b}" for a, b in combinations(schema.MODALITIES, 2)),
)
# What the paper reads off its plot: from which panel to which, the measure that must rise, and the
# paper's words.
READINGS = (
    (0, 1, MEASURES[0], "the overlap of different modalities is reduced"),
    *((1, 2, name, "each modality is more separated within itself") for name in MEASURES[1:7]),
)
Points = dict[str, np.ndarray]  # modality to representations (N, D)


def representations(model: Model, split: Split) -> Points:
    """Modality to (N, D) float64. Raises InputError for a model that has no representation of each
    modality."""
    parts_of: dict[str, list[torch.Tensor]] = {name: [] for name in schema.MODALITIES}
    model.eval()
    with torch.no_grad(), deterministic(threads=1):
        for batch in SplitData(split, model.inputs).in_order():
            output = model(batch)
            for name in schema.MODALITIES:
                key = f"Feature_{name[0]}"
                if key not in output:
                    raise InputError(
                        type(model).__name__, f"no {key}", "a representation of each modality"
                    )
                parts_of[name].append(output[key].flatten(1))
    return {name: torch.cat(parts).double().numpy() for name, parts in parts_of.items()}


def of_run(run: Run, record: Record, store: Store, split: Split) -> Points:
    """The representations of a finished run. Raises InputError for a model that is fitted and not
    trained."""
    if not run.capabilities.trained:
        raise InputError(run.name, "a model without representations", "a network")
    return representations(trained(run, record, store), split)


def untrained(run: Run, store: Store, split: Split) -> Points:
    """The representations of the same network before its first step, from the same seed.

    Its batch norms have seen the training clips once, as in a first epoch that changes no weight.
    Without statistics on the scale of the features, the outputs of a network that begins with a
    batch norm would be meaningless.
    """
    torch.manual_seed(run.seed)
    model = network(registry.builder(run.model), run.settings, store)()
    if any(isinstance(module, torch.nn.BatchNorm1d) for module in model.modules()):
        train = SplitData(store.split("train"), model.inputs)
        model.train()
        with torch.no_grad(), deterministic(threads=1):
            for rows in train.shuffled(32, torch.Generator().manual_seed(run.seed)):
                model(train.batch(rows))
    return representations(model, split)


def joined(points: Points) -> np.ndarray:
    """All points as one table (3 N, D), modality after modality, D that of the widest."""
    width = max(values.shape[1] for values in points.values())
    return np.concatenate(
        [np.pad(values, ((0, 0), (0, width - values.shape[1]))) for values in points.values()]
    )


def embedding(points: Points, seed: int = 0) -> tuple[np.ndarray, float]:
    """t-SNE of all points (3 N, 2), and its trustworthiness: 1 where neighbours in the picture are
    neighbours in the space."""
    together = joined(points)
    perplexity = min(30.0, (len(together) - 1) / 3)
    flat = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(together)
    neighbours = min(10, (len(together) - 1) // 3)
    return flat, float(trustworthiness(together, flat, n_neighbors=neighbours))


def silhouette(distances: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean silhouette, (n,), of P points that count ``weights`` (n, P) times each; distances (P,
    P), classes (P,).

    Equal to scikit-learn's on points repeated as often as they count.
    """
    member = (classes[:, None] == np.unique(classes)).astype(np.float64)  # (P, C)
    counts = (weights @ member)[:, None]  # (n, 1, C)
    counted = (weights[:, :, None] * member).swapaxes(0, 1).reshape(len(classes), -1)  # (P, n C)
    sums = (distances @ counted).reshape(len(classes), len(weights), -1).swapaxes(0, 1)  # (n, P, C)
    same = (counts * member).sum(axis=2)  # (n, P) points of the own class
    inside = (sums * member).sum(axis=2) / np.maximum(same - 1, 1)
    outside = np.where(member > 0, np.inf, sums / np.maximum(counts, 1)).min(axis=2)
    larger = np.maximum(inside, outside)
    values = np.where(
        (same > 1) & (larger > 0), (outside - inside) / np.where(larger > 0, larger, 1), 0.0
    )
    return (weights * values).sum(axis=1) / weights.sum(axis=1)


def alignment(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019) of two representations (N, D1), (N,
    D2) of the same clips:
    |X'Y|^2 / (|X'X| |Y'Y|), Frobenius norms, columns centred."""
    xy, xx, yy = (
        np.linalg.norm(_product(a, b, np.ones(len(x)))) for a, b in ((x, y), (x, x), (y, y))
    )
    return float(xy**2 / (xx * yy))


def measures(points: Points, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every one of ``MEASURES``, (n,), for clips that count ``weights`` (n, N) times each."""
    together, times = joined(points), np.tile(weights, len(points))  # (P, D), (n, P)
    classes = np.repeat(np.arange(len(points)), weights.shape[1])
    values = {"silhouette by modality": silhouette(pairwise_distances(together), classes, times)}
    sums, clips = times @ together, times.sum(axis=1)
    total = times @ (together**2).sum(axis=1) - (sums**2).sum(axis=1) / clips  # (n,)
    norm, trace = {}, {}
    for a, b in combinations_with_replacement(points, 2):
        products = [_product(points[a], points[b], weight) for weight in weights]
        norm[a, b] = np.array([np.linalg.norm(product) for product in products])
        if a == b:
            trace[a] = np.array([np.trace(product) for product in products])
            values[f"spread, {a}"] = trace[a] / total
            values[f"dimensions, {a}"] = trace[a] ** 2 / np.maximum(norm[a, a] ** 2, 1e-300)
    for a, b in combinations(points, 2):
        values[f"alignment, {a} and {b}"] = norm[a, b] ** 2 / np.maximum(
            norm[a, a] * norm[b, b], 1e-300
        )
    return {name: values[name] for name in MEASURES}


def _product(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """X'Y, (D1, D2), of centred columns, each clip counted ``weight`` (N,) times."""
    counted = weight[:, None] * x
    return counted.T @ y - np.outer(counted.sum(axis=0), weight @ y) / weight.sum()


def over_seeds(
    points_of: Mapping[str, list[Points]], groups: np.ndarray, n: int = 200, seed: int = 0
) -> dict[str, dict[str, np.ndarray]]:
    """Each measure by name and measure, (R, n + 1) for R runs: the first column is the value on all
    clips, the others are those of n draws of source videos, ``groups`` (N,).

    All models see the same draws.
    """
    _, index = np.unique(groups, return_inverse=True)
    drawn = multiplicities(index.max() + 1, n, np.random.default_rng(seed))[:, index]  # (n, N)
    weights = np.concatenate([np.ones((1, len(index))), drawn])
    table = {
        name: [measures(points, weights) for points in runs] for name, runs in points_of.items()
    }
    return {
        name: {m: np.stack([run[m] for run in runs]) for m in MEASURES}
        for name, runs in table.items()
    }


def kept_over_seeds(
    records: Mapping[Run, Record],
    store: Store,
    split: Split,
    before: bool = False,
    n: int = 200,
    seed: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
    """``over_seeds`` of the representations of finished runs, or of the same networks ``before``
    their first step, computed once for these runs."""
    done = {run: record for run, record in records.items() if record.status == "done"}
    names = list(dict.fromkeys(run.name for run in done))

    def compute() -> dict[str, np.ndarray]:
        points: dict[str, list[Points]] = {}
        for run, record in done.items():
            own = untrained(run, store, split) if before else of_run(run, record, store, split)
            points.setdefault(run.name, []).append(own)
        table = over_seeds(points, split.clips["video_id"].to_numpy(), n, seed)
        return {
            f"{names.index(name)}.{measure}": values
            for name, by_measure in table.items()
            for measure, values in by_measure.items()
        }

    depends = {
        "runs": [(names.index(run.name), record.key) for run, record in done.items()],
        "data": [store.digest, split.clips["id"].tolist()],
        "draws": [before, n, seed],
    }
    arrays = kept("representations", [__name__], depends, compute)
    return {
        name: {measure: arrays[f"{number}.{measure}"] for measure in MEASURES}
        for number, name in enumerate(names)
    }


def kept_embedding(
    run: Run, record: Record, store: Store, split: Split, seed: int = 0
) -> tuple[np.ndarray, float]:
    """``embedding`` of a finished run's representations of clips that are known by their ids,
    computed once."""

    def compute() -> dict[str, np.ndarray]:
        flat, trust = embedding(of_run(run, record, store, split), seed)
        return {"flat": flat, "trust": np.array([trust])}

    clips = split.clips["id"].tolist()
    depends = {"run": record.key, "data": store.digest, "clips": clips, "seed": seed}
    arrays = kept("embedding", [__name__], depends, compute)
    return arrays["flat"], float(arrays["trust"][0])


def interval(values: np.ndarray, seed: int = 0) -> Interval:
    """The mean over runs of a measure (R, n + 1) as from ``over_seeds``; its interval comes from
    draws of videos combined with draws of runs."""
    return Interval(float(values[:, 0].mean()), *percentile(_drawn(values, seed)))


def change(before: np.ndarray, after: np.ndarray, seed: int = 0) -> Interval:
    """After minus before: videos drawn for both together, runs for each."""
    return Interval(
        float(after[:, 0].mean() - before[:, 0].mean()),
        *percentile(_drawn(after, seed) - _drawn(before, seed + 1)),
    )


def _drawn(values: np.ndarray, seed: int) -> np.ndarray:
    """The draws (n,) about their estimate: with each run's draws of videos moved so that their mean
    is its value on all clips.

    A draw repeats clips and so has fewer different ones, and the fewer there are, the more alike
    two unrelated arrangements of them look, so that all draws of a small alignment may lie above
    the estimate. The shift removes that bias and keeps the spread."""
    runs = multiplicities(
        len(values), values.shape[1] - 1, np.random.default_rng([seed, len(values)])
    ) / len(values)
    draws = values[:, 1:] - values[:, 1:].mean(axis=1, keepdims=True) + values[:, :1]
    return (runs * draws.T).sum(axis=1)


def reading(change: Interval) -> str:
    """Whether a measure shows the rise that the paper sees in its picture, by the interval of its
    change."""
    if np.isnan(change.low):
        return "not measured"
    return (
        "seen"
        if change.low > 0
        else "the opposite"
        if change.high < 0
        else "not seen: the interval contains zero"
    )
