"""Makes avmc_core/resources/face_sizes.json again: python tools/face_sizes.py CLIP [CLIP ...]

How small a face may be and still be found. The first face of each clip (videos of people, which are
not in the repository) is cut out of ten of its frames, made smaller and put into a picture of
smooth noise, at four places; then it is looked for as in an extraction, and as before: at 480
pixels on the longer side alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from avmc_core.clips.face_search import ALWAYS, FaceSearch, overlap, resized
from avmc_core.clips.landmarks import Landmarks
from avmc_core.clips.media import read_clip
from avmc_core.files.atomic import new_file

RESOURCE = Path(__file__).resolve().parents[1] / "avmc_core" / "resources" / "face_sizes.json"
PICTURES = ((1920, 1080), (1280, 720), (640, 360))
WIDTHS = (20, 30, 40, 50, 60, 80, 100, 120, 160, 200, 240)  # pixels from ear to ear
FRAMES, PLACES = 10, ((0.2, 0.3), (0.75, 0.3), (0.3, 0.7), (0.8, 0.75))


def cut_outs(clip: str) -> list[tuple[np.ndarray, float, tuple[float, float]]]:
    """Ten neighbouring frames' surroundings of the face, its width in pixels and its middle in
    them."""
    visual, kept = Landmarks(), []
    look = visual.look

    def keep(image: np.ndarray) -> None:
        faces = look(image) if len(kept) < FRAMES else []
        if faces:
            points = faces[0].points
            width = float(np.hypot(*(points[16] - points[0])))
            x, y = points[:17].mean(axis=0)
            left, top = max(int(x - 1.2 * width), 0), max(int(y - 1.2 * width), 0)
            part = image[top : int(y + 1.2 * width), left : int(x + 1.2 * width)]
            kept.append((part.copy(), width, (x - left, y - top)))

    read_clip(clip, keep)
    return kept


def pictures(parts: list, size: tuple[int, int], width: int, place: tuple[float, float]) -> list:
    """Each part in a separate picture, with the box of the face there."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(
        rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8), (0, 0), 12
    )
    composites = []
    for part, own, middle in parts:
        scale = width / own
        small = resized(part, scale)
        left, top = (int(place[k] * size[k] - middle[k] * scale) for k in (0, 1))
        x, y = max(-left, 0), max(-top, 0)
        inside = small[y : size[1] - top, x : size[0] - left]
        image = noise.copy()
        rows = slice(top + y, top + y + inside.shape[0])
        across = slice(left + x, left + x + inside.shape[1])
        image[rows, across] = inside
        centre = left + middle[0] * scale, top + middle[1] * scale - 0.2 * width
        composites.append(
            (image, (*(c - width / 2 for c in centre), *(c + width / 2 for c in centre)))
        )
    return composites


def shares(parts: list, size: tuple[int, int], width: int) -> dict[str, float]:
    """The share of pictures in which the face is found, with one size and with several."""
    detector, before, after, count = Landmarks()._detector, 0, 0, 0
    for place in PLACES:
        search = FaceSearch(detector)
        for image, box in pictures(parts, size, width, place):
            once = FaceSearch(detector)._detect(image, min(1.0, ALWAYS / max(size)))
            before += any(overlap(box, detected) > 0.2 for detected in once)
            after += any(overlap(box, detected) > 0.2 for detected in search.boxes(image))
            count += 1
    return {"before": before / count, "after": after / count}


if __name__ == "__main__":
    people = [cut_outs(clip) for clip in sys.argv[1:]]
    rows = []
    for size in PICTURES:
        for width in WIDTHS:
            if width < size[1] / 2:
                each = [shares(parts, size, width) for parts in people]
                mean = {
                    name: float(np.mean([one[name] for one in each]))
                    for name in ("before", "after")
                }
                rows.append({"picture": f"{size[0]} x {size[1]}", "face": width, **mean})
                print(rows[-1], flush=True)
    facts = {"people": len(people), "pictures": len(PLACES) * sum(map(len, people)), "rows": rows}
    facts["command"] = "python tools/face_sizes.py " + " ".join(
        Path(clip).name for clip in sys.argv[1:]
    )
    with new_file(RESOURCE) as path:
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
