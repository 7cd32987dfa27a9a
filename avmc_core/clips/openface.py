"""The visual features as the authors most probably made them: OpenFace 2.2 with ``-pose -2Dfp -aus``, 177 columns.

OpenFace is the user's own program, or was run before and left its CSV files. Its licence is for academic use.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from avmc_core.clips.media import FPS
from avmc_core.errors import InputError
from avmc_core.schema import columns

FLAGS = ("-pose", "-2Dfp", "-aus")
TIMEOUT = 3600  # seconds for one clip


def read_csv(path: str | Path, frames: int) -> list[np.ndarray]:
    """The faces in an OpenFace CSV file, each (F, 177) float32 in the released column order, NaN where it was not found.

    F = ``frames``, at 25 per second: each is given the row nearest in time, so that a clip of another rate fits too.
    Raises InputError for a missing column or a value that is no number.
    """
    try:
        table = pd.read_csv(path, skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise InputError(path, f"{type(error).__name__}: {error}", "a CSV file of OpenFace 2.2") from None
    table.columns = table.columns.str.strip()
    wanted = [*columns("vision"), "timestamp", "success"]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        more = ", ..." if len(missing) > 5 else ""
        found = f"{len(missing)} columns missing: {', '.join(missing[:5])}{more}"
        raise InputError(path, found, f"the columns that OpenFace writes with {' '.join(FLAGS)}")
    try:
        table[wanted] = table[wanted].astype(np.float64)
    except ValueError as error:
        raise InputError(path, str(error)[:200], "numbers") from None
    if table.empty or not (table[wanted].abs() <= np.finfo(np.float32).max).all(axis=None):
        raise InputError(path, "no row, or an empty, infinite or too large value", "numbers that float32 holds")
    faces = table.groupby("face_id") if "face_id" in table.columns else [(0, table)]
    step = table["timestamp"].drop_duplicates().sort_values().diff().median()
    return [_on_grid(rows, frames, step if step > 0 else 1 / FPS) for _, rows in faces]


def _on_grid(rows: pd.DataFrame, frames: int, step: float) -> np.ndarray:
    """One face's rows, ``step`` seconds apart, at F grid times."""
    rows = rows.sort_values("timestamp")
    time, grid = rows["timestamp"].to_numpy(), np.arange(frames) / FPS
    after = np.searchsorted(time, grid).clip(1, len(rows) - 1) if len(rows) > 1 else np.zeros(frames, int)
    nearest = after - (grid - time[after - 1] <= time[after] - grid) if len(rows) > 1 else after
    values = rows[list(columns("vision"))].to_numpy(np.float32)[nearest]
    found = (rows["success"].to_numpy()[nearest] == 1) & (np.abs(time[nearest] - grid) <= step)
    return np.where(found[:, None], values, np.float32(np.nan))


class OpenFace:
    """Runs ``program`` (FeatureExtraction, or FaceLandmarkVidMulti for several faces) on a clip, or, when it is a folder,
    reads the CSV file named after the clip in it."""

    approximation = ""

    def __init__(self, program: str | Path):
        self.program = Path(program)
        if not self.program.exists():
            raise InputError(program, "nothing there", "OpenFace's FeatureExtraction, or a folder of its CSV files")

    @property
    def name(self) -> str:
        return f"OpenFace CSV files ({' '.join(FLAGS)})" if self.program.is_dir() else f"OpenFace {self.program.name}"

    def identity(self, clip: Path) -> str:
        """SHA-256 (hex) of the clip's CSV file, or of the program; "" where there is no such file."""
        file = self._csv(clip) if self.program.is_dir() else self.program
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""

    def look(self, image: np.ndarray) -> None:
        """OpenFace decodes the clip itself."""

    def tracks(self, clip: str | Path, seen: list[None], size: tuple[int, int]) -> list[np.ndarray]:
        """The faces of ``clip``, each (F, 177). Raises InputError when there is no CSV file, or the program fails."""
        clip = Path(clip)
        if self.program.is_dir():
            return read_csv(self._csv(clip), len(seen))
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program, "-f", clip, "-out_dir", folder, "-of", "faces", *FLAGS]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise InputError(self.program, f"{type(error).__name__}: {error}", "a program that runs") from None
            made = Path(folder, "faces.csv")
            if done.returncode or not made.exists():
                said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
                raise InputError(clip, f"OpenFace ended with {done.returncode} and said: {said[0]}", "its CSV file")
            return read_csv(made, len(seen))

    def _csv(self, clip: Path) -> Path:
        nested = self.program / clip.parent.name / f"{clip.stem}.csv"
        return nested if nested.exists() else self.program / f"{clip.stem}.csv"
