"""Predictions for the clips of one source video or of a few are scored, and nothing is claimed that
so few cannot show."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from avmc_core.analysis.scoring import FEW_VIDEOS, score
from avmc_core.commands.main import main


def called(tmp_path, videos: int, clips: int, *options: str) -> str:
    """What ``avmc score`` prints of right predictions for so many clips of so many videos."""
    rows = [(f"v{n % videos}", str(n), "test", (-1.0, 1.0)[n % 2]) for n in range(clips)]
    table = pd.DataFrame(rows, columns=["video_id", "clip_id", "mode", "label"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    given = table[["video_id", "clip_id"]].assign(M=table["label"])
    given.to_csv(tmp_path / "p.csv", index=False)
    given.assign(M=-0.5 * given["M"]).to_csv(tmp_path / "other.csv", index=False)
    words = ["score", str(tmp_path / "p.csv"), "--labels", str(tmp_path / "labels.csv"), *options]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_one_video_has_no_interval_and_no_test(tmp_path):
    shown = called(tmp_path, 1, 2, "--against", str(tmp_path / "other.csv"))
    assert "2 clips of 1 source video\n" in shown and "[" not in shown.split("M (", 1)[1]
    acc2 = next(line for line in shown.splitlines() if line.split()[:1] == ["Acc2"])
    assert acc2.split() == ["Acc2", "100.00", "–", "50.00", "0.00", "+100.00", "–", "–", "–"]
    assert "note: no interval: all clips are of one source video" in shown
    rows = json.loads(called(tmp_path, 1, 2, "--format", "json"))["scores"]
    (row,) = [row for row in rows if row["metric"] == "Acc2"]
    assert row["value"] == 100 and row["low"] is row["high"] is None
    assert row["note"].startswith("no interval: ")


@pytest.mark.parametrize("videos", [2, FEW_VIDEOS - 1, FEW_VIDEOS])
def test_few_videos_are_said_to_give_narrow_intervals(videos, tmp_path):
    shown = called(tmp_path, videos, 40)
    said = f"note: intervals over {videos} source videos are too narrow"
    assert (said in shown) == (videos < FEW_VIDEOS) and "[100.00, 100.00]" in shown


def test_intervals_over_few_videos_are_too_narrow():
    """What the note says: of 200 tables with five videos of one true accuracy each, 95 % intervals
    hold that of all videos less often than in nine of ten."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        right = rng.random(5).repeat(20) > rng.random(100)  # of all videos a half on average
        table = pd.DataFrame({"video_id": np.arange(5).repeat(20).astype(str)})
        labels = table.assign(clip_id=table.index.astype(str), split="test", M=1.0)
        given = labels[["video_id", "clip_id"]].assign(M=np.where(right, 1.0, -1.0))
        (found,) = score(given, labels, draws=200).tasks
        held += found.scores["Acc2"].low <= 0.5 <= found.scores["Acc2"].high
    assert held / 200 < 0.9
