"""The picture of one clip and of a model's predictions for it."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avmc_core.clips.media import FPS, RATE
from avmc_core.clips.prediction import Account, Clip
from avmc_core.drawing.figures import TASK_COLOURS, WIDTH
from avmc_core.drawing.signal_figures import LINES, LOUDNESS, PITCH, POINTS
from avmc_core.errors import counted
from avmc_core.schema import HOP_SECONDS, MODALITY_OF_TASK, TASK_NAMES

FACES = 7  # drawn along the time axis
CHINESE = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "SimHei",
)


def account(clip: Clip, prediction: Account) -> Figure:
    """Sound with loudness and pitch, the face track, the predictions on the scale, the shares of
    the modalities.

    The transcript is the title where a Chinese font is installed.
    """
    fig = plt.figure(figsize=(WIDTH, 0.82 * WIDTH))
    grid = fig.add_gridspec(3, 2, height_ratios=(1, 0.9, 1.1), width_ratios=(1.5, 1))
    top = fig.add_subplot(grid[0, :])
    _sound(top, clip)
    _faces(fig.add_subplot(grid[1, :], sharex=top), clip)
    _scale(fig.add_subplot(grid[2, 0]), prediction)
    _shares(fig.add_subplot(grid[2, 1]), prediction)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    font = next((name for name in CHINESE if name in installed), None)
    if font:
        fig.suptitle(clip.sentence, fontfamily=font, fontsize="medium", parse_math=False)
    return fig


def _sound(ax: Axes, clip: Clip) -> None:
    """The waveform if the signal is available, loudness, and pitch where there is a voice."""
    time = np.arange(len(clip.audio)) * HOP_SECONDS["audio"]
    loud = clip.audio[:, LOUDNESS]
    if clip.signal is not None:
        peak = max(float(np.abs(clip.signal).max()), 1e-6)
        shown = clip.signal[: int(RATE * (time[-1] + 0.05))][::8]
        ax.plot(
            np.arange(len(shown)) * 8 / RATE,
            shown / peak * loud.max(),
            color="#BBBBBB",
            linewidth=0.4,
        )
    ax.plot(time, loud, color=TASK_COLOURS["A"], linewidth=1.4)
    ax.set(ylabel="loudness", xlim=(0, None))
    ax.set_title(clip.name, parse_math=False)  # released ids hold $
    ax.yaxis.label.set_color(TASK_COLOURS["A"])
    pitch = clip.audio[:, PITCH]
    other = ax.twinx()
    other.spines["right"].set_visible(True)
    other.plot(time, np.where(pitch > 0, pitch, np.nan), ".", markersize=3, color=TASK_COLOURS["T"])
    other.set_ylabel("pitch in semitones", color=TASK_COLOURS["T"])
    ax.tick_params(labelbottom=False)


def _faces(ax: Axes, clip: Clip) -> None:
    """Some frames' landmarks at their times, at one scale and in usual proportions; grey where no
    face was kept."""
    length = max(len(clip.audio) * HOP_SECONDS["audio"], (clip.frames[-1] + 1) / FPS)
    rows = np.linspace(0, len(clip.vision) - 1, min(FACES, len(clip.vision))).round().astype(int)
    points = clip.vision[:, POINTS]  # (T, 68, 2)
    middle = (points.max(axis=1) + points.min(axis=1)) / 2  # (T, 2)
    # (2,); columns do not say how wide the picture is for its height
    size = np.median(np.ptp(points, axis=1), axis=0)
    width = 0.1 * length  # of a face, in seconds
    for row in rows:
        face = (points[row] - middle[row]) / size
        x = clip.frames[row] / FPS + face[:, 0] * width
        for line in LINES:
            ax.plot(x[list(line)], -face[list(line), 1], color=TASK_COLOURS["V"], linewidth=1.0)
    missing = np.setdiff1d(np.arange(clip.frames[-1] + 1), clip.frames)
    for frame in missing:
        ax.axvspan(frame / FPS, (frame + 1) / FPS, color="#DDDDDD", linewidth=0)
    ax.set(xlabel="seconds", ylabel="face", ylim=(-0.75, 0.75), yticks=[])
    ax.set_xlim(-width, length + width / 2)


def _scale(ax: Axes, prediction: Account) -> None:
    """Each prediction, cut to the range of the labels: one dot per seed, and a bar over their
    range."""
    names, limit = list(prediction.tasks), prediction.limit
    for place, task in enumerate(names):
        values = prediction.shown[task]
        ax.plot(
            [values.min(), values.max()],
            [place, place],
            color=TASK_COLOURS[task],
            linewidth=5,
            alpha=0.3,
        )
        ax.plot(values, np.full(len(values), place), "o", markersize=4, color=TASK_COLOURS[task])
        ax.text(1.05 * limit, place, f"{values.mean():+.2f}", va="center", fontsize=8)
    ax.axvline(0, color="#BBBBBB", linewidth=0.8, zorder=0)
    labels = [f"{TASK_NAMES[task]} ({task})" for task in names]
    ax.set(
        xlim=(-limit, limit),
        ylim=(len(names) - 0.5, -0.5),
        yticks=range(len(names)),
        yticklabels=labels,
    )
    ax.set(
        xticks=np.linspace(-limit, limit, 5),
        xlabel="negative  -  positive",
        title=f"predictions, {counted(len(prediction.empty), 'seed')}",
    )


def _shares(ax: Axes, prediction: Account) -> None:
    """Shapley shares of M, mean and range over seeds; with the average clip's M they add up to
    M."""
    colours = {name: TASK_COLOURS[task] for task, name in MODALITY_OF_TASK.items()} | {
        "average clip": "#8C8C8C"
    }
    bars = prediction.shares | {"average clip": prediction.empty}
    for place, (name, values) in enumerate(bars.items()):
        spread = [[values.mean() - values.min()], [values.max() - values.mean()]]
        ax.barh(
            place, values.mean(), xerr=spread, color=colours[name], ecolor="#3C3C3C", height=0.6
        )
    ax.axvline(0, color="#3C3C3C", linewidth=0.8)
    ax.set(
        ylim=(len(bars) - 0.5, -0.5),
        yticks=range(len(bars)),
        yticklabels=list(bars),
        title="shares of M",
    )
