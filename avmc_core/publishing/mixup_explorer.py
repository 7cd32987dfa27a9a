"""An interactive figure: is a network's prediction for a blend of two clips the blend of its
predictions for the two?

It is self-contained, as a ``Table`` is: markup, a few lines of script and the figures, all computed
before. It works by keyboard, from the file system and without a network. Without scripts, and in
print, the pair that is drawn first remains.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from avmc_core.analysis.blends import PAIRS, WEIGHTS, Path, Predictions
from avmc_core.home import resource_text
from avmc_core.publishing.markup import radios

MODALITIES = {"audio": "voice (A)", "vision": "face (V)"}
FIRST = ("vision", 0, 10)  # modality, pair and weight that are drawn first
LEFT, RIGHT, TOP, BOTTOM = 40.0, 300.0, 8.0, 140.0  # of the axes, in a view of 310 x 185
LEAST = 0.1  # label units that an axis spans at least: the rounding of labels is 0.2
KEY = (
    '<div class="key"><span><svg viewBox="0 0 26 9"><path class="said" d="M0 4.5H26"/></svg> '
    'prediction of the blend</span><span><svg viewBox="0 0 26 9"><path class="meant" '
    'd="M0 4.5H26"/></svg> blend of the two predictions</span></div>'
)


@dataclass(frozen=True)
class MixupExplorer:
    """The ``paths`` of some networks, both modalities and all pairs; ``mark`` says on which data
    they were computed."""

    paths: Sequence[Path]
    mark: str

    def __repr__(self) -> str:
        """For a terminal: the same figures as words."""
        return gaps(self.paths).to_string(index=False)

    def _repr_html_(self) -> str:
        data = {
            modality: [_choice(path) for path in self.paths if path.modality == modality]
            for modality in MODALITIES
        }
        modality, pair, step = FIRST
        chosen = data[modality][pair]
        pairs = {str(number): " with ".join(names) for number, names in enumerate(PAIRS)}
        last = list(self.paths[0].predictions)[-1]
        figures = json.dumps(data, separators=(",", ":"))
        panels = "".join(_panel(chosen, network, step) for network in chosen["networks"])
        return (
            f'<div class="avmc-mix"><style>{resource_text("mixup.css")}</style><form hidden>'
            f"{radios('Modality', 'modality', MODALITIES, modality)}"
            f"{radios(f'Clips by the prediction {last}', 'pair', pairs, str(pair))}"
            '<label class="weight">lambda <span class="value"></span><input type="range" '
            f'name="weight" min="0" max="{len(WEIGHTS) - 1}" value="{step}"></label>'
            "</form>"
            f'<div class="panels" aria-hidden="true">{panels}</div>{KEY}'
            '<output aria-live="polite"></output>'
            f'<p class="of"><span class="drawn">{escape(chosen["drawn"])}{WEIGHTS[step]:.2f}'
            f"</span>. Data: {escape(self.mark)}.</p>"
            f'<script type="application/json">{figures}</script>'
            f"<script>{resource_text('mixup.js')}</script></div>"
        )


def gaps(paths: Sequence[Path]) -> pd.DataFrame:
    """One row per path: its clips, and for each network its predictions for both and the largest
    distance between the prediction of a blend and the blend of the predictions."""
    return pd.DataFrame([_row(path) for path in paths])


def _row(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "modality": MODALITIES[path.modality],
        "clips": " with ".join(path.pair),
        "annotated": " and ".join(f"{label:.1f}" for label in path.labels),
    }
    for name, predictions in path.predictions.items():
        first, second = predictions.mixed[-1], predictions.mixed[0]
        row[f"predictions {name}"] = f"{first:.2f} and {second:.2f}"
        row[f"largest gap {name}"] = predictions.gap
    return row


def _choice(path: Path) -> dict[str, Any]:
    """What the figure draws and writes about a path. All networks share an axis, so that their
    predictions can be compared."""
    values = np.concatenate([[a.predicted, a.mixed] for a in path.predictions.values()])
    middle = (values.max() + values.min()) / 2
    half = max(np.ptp(values), LEAST) * 0.55
    ends = (middle + half, middle - half)
    names = " with ".join(path.pair)
    labels = " and ".join(f"{label:.1f}" for label in path.labels)
    return {
        "ends": [f"{end:.2f}" for end in ends],
        "drawn": f"Drawn: {MODALITIES[path.modality]}, {names} (annotated {labels}), lambda ",
        "networks": [_network(name, p, *ends) for name, p in path.predictions.items()],
    }


def _network(name: str, predictions: Predictions, high: float, low: float) -> dict[str, Any]:
    x = LEFT + (RIGHT - LEFT) * WEIGHTS
    values = np.stack([predictions.predicted, predictions.mixed], 1)
    y = TOP + (BOTTOM - TOP) * (high - values) / (high - low)
    predicted, meant = (_line(x, column) for column in y.T)
    return {
        "name": name[:1].upper() + name[1:],
        "x": x.round(1).tolist(),
        "y": y.round(1).tolist(),
        "values": [[round(float(value), 4) for value in pair] for pair in values],
        "said": predicted,
        "meant": meant,
    }


def _line(x: np.ndarray, y: np.ndarray) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _panel(chosen: dict[str, Any], network: dict[str, Any], step: int) -> str:
    x, (predicted, meant) = network["x"][step], network["y"][step]
    high, low = chosen["ends"]
    return (
        f'<div><b>{escape(network["name"])}</b>, predicted sentiment<svg viewBox="0 0 310 185">'
        f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
        f'<text class="end" x="{LEFT - 5}" y="{TOP + 5}" text-anchor="end">{high}</text>'
        f'<text class="end" x="{LEFT - 5}" y="{BOTTOM + 3}" text-anchor="end">{low}</text>'
        f'<text x="{LEFT}" y="{BOTTOM + 16}">0</text>'
        f'<text x="{RIGHT}" y="{BOTTOM + 16}" text-anchor="end">1</text>'
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 16}" text-anchor="middle">lambda</text>'
        f'<text x="{LEFT}" y="{BOTTOM + 34}">second clip</text>'
        f'<text x="{RIGHT}" y="{BOTTOM + 34}" text-anchor="end">first clip</text>'
        f'<line class="at" x1="{x}" x2="{x}" y1="{TOP}" y2="{BOTTOM}"/>'
        f'<path class="meant" d="{network["meant"]}"/><path class="said" d="{network["said"]}"/>'
        f'<rect x="{x - 3.5}" y="{meant - 3.5}" width="7" height="7"/>'
        f'<circle cx="{x}" cy="{predicted}" r="4"/></svg></div>'
    )
