"""The promise of CONTRIBUTING.md: one function draws a figure, which carries the data mark and its
words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from avmc_core.drawing import figures
from avmc_core.publishing import book_figures

IMPORTS = """
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from avmc_core.drawing.figures import MODEL_COLOURS, WIDTH
"""


def test_the_figure_of_contributing_is_drawn_marked_and_described(
    tiny_store, tmp_path, monkeypatch
):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"```python\n(def .*?)```", text, re.DOTALL)
    names: dict = {}
    exec(IMPORTS + listing, names)
    labels = tiny_store.split("test").labels[:, 0]
    fig = figures.mark(names["errors_by_label"](labels, np.zeros_like(labels)), tiny_store)
    (line,) = fig.axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), -labels)
    assert fig.get_supxlabel().startswith("data: ")
    (tmp_path / "own_figures.py").write_text(IMPORTS + listing, encoding="utf-8")
    monkeypatch.setattr(book_figures, "DRAWING", tmp_path)
    words = "The error of each clip against its label, one point per clip."
    assert book_figures.drawing("own_figures", "errors_by_label") == words
