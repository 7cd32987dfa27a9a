"""The visual features as the authors most probably made them: OpenFace 2 with ``-pose -2Dfp -aus``,
177 columns.

OpenFace is the user's own program, or was run before and left its CSV files. Its licence is for
academic use. How such a file is laid out, and which of its rows belongs to which time of the clip,
is in ``openface_table``.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import unicodedata
from pathlib import Path

import numpy as np

from avmc_core.clips.media import picture_times, shown
from avmc_core.clips.openface_table import FLAGS, read_csv, read_table
from avmc_core.errors import InputError
from avmc_core.files.names import entries
from avmc_core.schema import columns

__all__ = ["FLAGS", "OpenFace", "read_csv"]

TIMEOUT = 3600  # seconds for one clip
OUTSIDE = 0.1  # share of faces whose centre may lie outside the picture
LIKE = 1.25  # by which a table's picture may seem larger or smaller than the clip's
NEAREST = 100.0  # mm: no face is nearer to a camera

_NAMES = columns("vision")
_X, _Y = ([_NAMES.index(f"{axis}_{point}") for point in range(68)] for axis in "xy")
_PLACE = [_NAMES.index(f"pose_T{axis}") for axis in "xyz"]


class OpenFace:
    """Runs ``program`` (FeatureExtraction, or FaceLandmarkVidMulti for several faces) on a clip.
    When it is a folder, reads the CSV file named after the clip in it; when it is a CSV file, reads
    that, of one clip."""

    approximation = ""

    def __init__(self, program: str | Path):
        self.program = Path(program)
        self.notes: tuple[str, ...] = ()  # what the last call of ``tracks`` assumed
        self._folders: dict[Path, dict[str, list[Path]]] = {}  # what each holds, read once
        if not self.program.exists():
            raise InputError(
                program,
                "nothing there",
                "OpenFace's FeatureExtraction, or a folder of its CSV files",
            )

    @property
    def name(self) -> str:
        tables = self.program.is_dir() or self._is_table
        return (
            f"OpenFace CSV files ({' '.join(FLAGS)})" if tables else f"OpenFace {self.program.name}"
        )

    @property
    def _is_table(self) -> bool:
        return self.program.suffix.lower() == ".csv"

    def table(self, clip: Path) -> Path | None:
        """The CSV file that belongs to a clip, there or not; None where the program makes it."""
        if self._is_table:
            return self.program
        if not self.program.is_dir():
            return None
        video, name = clip.parent.name, clip.stem
        places = [f"{video}/{name}", f"{video}$_${name}", f"{video}_{name}", name]
        # as MMSA-FET's folder of temporary files has them, and a folder of its own for each clip
        places += [f"{video}_{name}/{video}_{name}", f"{video}/{name}/{name}"]
        places = [f"{place}{ending}" for place in places for ending in (".csv", ".CSV")]
        match = next(
            (self.program / place for place in places if (self.program / place).is_file()), None
        )
        return match or next(filter(None, map(self._below, places)), self.program / f"{name}.csv")

    def _below(self, place: str) -> Path | None:
        """The file at a relative place, whatever bytes and accents its names are in; None for none,
        and where several fit."""
        path = self.program
        for part in place.split("/"):
            if not (path / part).exists():
                if path not in self._folders:
                    self._folders[path] = entries(path)
                fitting = self._folders[path].get(unicodedata.normalize("NFC", part), [])
                if len(fitting) != 1:
                    return None
                part = fitting[0].name
            path = path / part
        return path if path.is_file() else None

    def identity(self, clip: Path) -> str:
        """SHA-256 (hex) of the clip's CSV file, or of the program; "" where there is no such
        file."""
        file = self.table(clip) or self.program
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""

    def look(self, image: np.ndarray) -> None:
        """Does nothing: OpenFace decodes the clip itself."""

    def tracks(self, clip: str | Path, seen: list[None], size: tuple[int, int]) -> list[np.ndarray]:
        """The faces of ``clip``, each (F, 177). Raises InputError when there is no CSV file, the
        program fails, or the table does not fit the clip."""
        clip = Path(clip)
        if file := self.table(clip):
            return self._read(file, clip, len(seen), size)
        with tempfile.TemporaryDirectory() as folder:
            command = [self.program, "-f", clip, "-out_dir", folder, "-of", "faces", *FLAGS]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise InputError(
                    self.program, f"{type(error).__name__}: {error}", "a program that runs"
                ) from None
            output = Path(folder, "faces.csv")
            if done.returncode or not output.exists():
                message = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
                raise InputError(
                    shown(clip),
                    f"OpenFace ended with {done.returncode} and said: {message[0]}",
                    "its CSV file",
                )
            return self._read(output, clip, len(seen), size)

    def _read(self, file: Path, clip: Path, frames: int, size: tuple[int, int]) -> list[np.ndarray]:
        tracks, self.notes = read_table(file, frames, picture_times(clip))
        rows = np.concatenate(tracks)
        x, y = rows[:, _X].mean(axis=1), rows[:, _Y].mean(axis=1)
        has_face = np.isfinite(x)
        inside = (np.abs(2 * x / size[0] - 1) < 1.1) & (np.abs(2 * y / size[1] - 1) < 1.1)
        if has_face.any() and (~inside[has_face]).mean() > OUTSIDE:
            raise InputError(
                file,
                f"faces outside the picture of {size[0]} by {size[1]} pixels",
                "a table of this clip as it is shown: turned upright where its file says so, "
                "and of the same size",
            )
        share = _seen_size(rows[has_face], size)
        if not 1 / LIKE <= share <= LIKE:
            raise InputError(
                file,
                f"faces at places of a picture {share:.2f} times as large as the clip's, "
                f"{size[0]} by {size[1]} pixels",
                "a table of this clip in its own size, not of a smaller or larger copy",
            )
        return tracks


def _seen_size(rows: np.ndarray, size: tuple[int, int]) -> float:
    """How many times as large as ``size`` the picture was in which OpenFace saw the faces (N, 177);
    1.0 where that cannot be told.

    The table has each face's place twice: in the picture, in pixels, and in space, in millimetres.
    One follows from the other by the size alone, since OpenFace takes the optical axis to go
    through the middle and the focal length to be 500 pixels in a picture of 640 by 480. In the
    table at hand, of a clip of known size, both agree within a thousandth.
    """
    away = rows[:, _PLACE].astype(np.float64)
    rows = rows[(away[:, 2] > NEAREST) & (np.abs(away[:, :2]).max(axis=1, initial=0) < away[:, 2])]
    if not len(rows):
        return 1.0
    x, y, z = rows[:, _PLACE].astype(np.float64).T
    focal = (500 * size[0] / 640 + 500 * size[1] / 480) / 2
    expected = np.stack([focal * x / z + size[0] / 2, focal * y / z + size[1] / 2])
    seen = np.stack([rows[:, _X].mean(axis=1), rows[:, _Y].mean(axis=1)])
    return float((seen * expected).sum() / (expected**2).sum())
