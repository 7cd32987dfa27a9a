"""The part of the audit that only a store can answer: its manifest, sizes, lengths, missing and
constant columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from avmc_core.data.remarks import remark
from avmc_core.paper.findings import Finding, finding
from avmc_core.published import text_figure
from avmc_core.schema import DIMS, MODALITIES, columns

if TYPE_CHECKING:
    from avmc_core.data.store import Store


def manifest_lines(store: Store | None) -> tuple[str, ...]:
    """What a store says about itself, line by line."""
    if store is None:
        return ()
    manifest = store.manifest
    size = sum(entry["size"] for entry in manifest["files"].values())
    return (
        f"store: {manifest['kind']}, schema {manifest['schema_version']}, digest {store.digest}",
        f"splits: {', '.join(f'{name} {rows}' for name, rows in manifest['splits'].items())}",
        *([f"taken for: {layout}"] if (layout := manifest["source"].get("layout")) else []),
        f"files: {len(manifest['files'])}, {size / 1e6:.1f} MB",
        *map(remark, manifest["repairs"]),
    )


def feature_findings(store: Store | None) -> Iterator[Finding]:
    """Sizes compared with Section 3.3, lengths, columns that never change or hold values that are
    not finite. All of them are undecided without a store; a store that differs from the release in
    its widths or labels is not compared with the paper."""
    (dims, place), (steps, _) = text_figure("features"), text_figure("steps")
    beside = store is None or store.as_released
    for modality in MODALITIES:
        facts = {} if store is None else _facts(store, modality)
        for key, name, printed in (
            ("dims", "features", dims[modality]),
            ("steps", "steps at most", steps[modality]),
            ("lengths", "steps, min/median/max", None),
            ("at_cap", "clips of full length", None),
            ("constant", "columns that never change", None),
            ("missing", "columns with missing values", None),
        ):
            value, printed = facts.get(key), printed if beside else None
            shown = "none" if value == [] else None
            yield finding(
                f"{key}_{modality}",
                f"{modality}: {name}",
                place if printed else "–",
                value,
                printed,
                shown,
            )


def _facts(store: Store, modality: str) -> dict[str, Any]:
    """Facts on one modality over all splits; columns go by name where they have one (those of
    the release do, but for text states)."""
    sequences = [getattr(store.split(name), modality) for name in store.manifest["splits"]]
    lengths = np.concatenate([ragged.lengths for ragged in sequences])
    parts = [values for ragged in sequences for values, _ in ragged.parts if len(values)]
    low = np.min([values.min(axis=0) for values in parts], axis=0)  # (D,); NaN and inf come through
    high = np.max([values.max(axis=0) for values in parts], axis=0)
    named = modality != "text" and len(low) == DIMS[modality]
    names = np.array(columns(modality) if named else range(len(low)), dtype=str)
    cap = sequences[0].steps
    return {
        "dims": len(low),
        "steps": cap,
        "lengths": np.quantile(lengths, [0.0, 0.5, 1.0]).astype(int).tolist(),
        "at_cap": int((lengths == cap).sum()),
        "constant": names[low == high].tolist(),
        "missing": names[~np.isfinite(low) | ~np.isfinite(high)].tolist(),
    }
