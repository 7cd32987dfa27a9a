"""Who speaks in each frame, by TalkNet (Tao et al. 2021), from published weights in a file that the user has.

The inputs are those of the public demo: MFCCs at 100 per second, grey faces of 112 pixels at 25 per second, scores averaged
over windows of 1 to 6 seconds and then over five frames. Two things differ: the demo finds faces with a detector of its own,
here a face's box follows from its landmarks; and the demo rounds scores to tenths. The published weights could not be had
where this was written: the network says what the public code says with made weights, and how well it finds speakers in real
clips was never verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import median_filter

from avmc_core.clips.media import FPS, RATE, extra, read_clip
from avmc_core.clips.mfcc import mfcc
from avmc_core.errors import InputError
from avmc_core.schema import columns

if TYPE_CHECKING:
    from avmc_core.clips.talknet_network import TalkNet

NAME = "TalkNet, frame by frame"
SECONDS = (1, 2, 3, 4, 5, 6)  # lengths of the windows
GAP = 10  # frames that a face may be lost for within a stretch
SHORTEST = 10  # frames: a stretch that is seen in no more is not judged
SMOOTH_BOX, SMOOTH_SCORE = 13, 5  # frames of the median over a box's place and size, and of the mean over scores
MARGIN = 0.4  # around the box, in half sizes
PADDING = 110  # grey level outside the picture
BLOCK = 100  # frames looked at together, which bounds the memory
PER_FRAME = RATE // FPS  # samples

_NAMES = columns("vision")
_X, _Y = ([_NAMES.index(f"{axis}_{point}") for point in range(68)] for axis in "xy")


@dataclass(frozen=True)
class Stretch:
    """A face on neighbouring frames."""

    face: int
    start: int  # its first frame
    boxes: np.ndarray  # (T, 3) pixels: centre x, y and half the size
    pictures: np.ndarray  # (T, 112, 112) uint8


@cache
def load(weights: str) -> TalkNet:
    """The network with the weights of a file: a checkpoint of the public code, or its tensors as safetensors; no code that a
    file may hold is run. Tensors that the network does not know are passed over, as the public code does.

    Raises InputError for a file that cannot be read and for tensors that are missing, of another shape or not finite.
    """
    import torch
    from safetensors.torch import load_file

    from avmc_core.clips.talknet_network import TalkNet

    remedy = "a checkpoint of TalkNet, such as pretrain_TalkSet.model"
    try:
        safe = Path(weights).suffix == ".safetensors"
        state = load_file(weights) if safe else torch.load(weights, map_location="cpu", weights_only=True)
        state = {name.replace("module.", ""): tensor for name, tensor in state.items()}
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    except Exception as error:  # whatever a file makes its reader do
        raise InputError(weights, f"{type(error).__name__}: {str(error)[:200]}", remedy) from None
    network = TalkNet()
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wrong = [f"no {name}" for name in wanted if name not in shapes]
    wrong += [
        f"{name} of {shapes[name]}, not {shape}" for name, shape in wanted.items() if shapes.get(name, shape) != shape
    ]
    wrong = wrong or [f"{name} not finite" for name in wanted if not torch.isfinite(state[name]).all()]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(weights, "; ".join(wrong[:3]) + more, remedy)
    network.load_state_dict({name: state[name] for name in wanted})
    return network.eval().requires_grad_(False)


def version(weights: str) -> str:
    """What chose the speakers, for a store's manifest."""
    return f"{NAME}, weights {Path(weights).name} {hashlib.sha256(Path(weights).read_bytes()).hexdigest()[:12]}"


def scores(clip: str | Path, tracks: list[np.ndarray], signal: np.ndarray, weights: str) -> np.ndarray:
    """(K, F) scores of the K faces in ``tracks``, each (F, 177) in pixels with NaN where not found: 0 or above where a face
    speaks, NaN where it is not judged. The clip is decoded once more, for what the faces look like.

    ``signal`` (S,) is the sound at 16 kHz; frames after its end are not judged.
    """
    frames = len(tracks[0])
    network, sound = load(weights), steps_of(signal, frames)
    judged = np.full((len(tracks), frames), np.nan)
    for stretch in faces(clip, tracks):
        stop = stretch.start + len(stretch.pictures)
        heard = sound[4 * stretch.start : 4 * stop]
        judged[stretch.face, stretch.start : stop] = judge(network, stretch.pictures, heard)
    judged[:, -(-len(signal) // PER_FRAME) :] = np.nan
    return judged


def speaking(scores: np.ndarray) -> np.ndarray:
    """(F,) the face that speaks in each frame, -1 where none does, from scores (K, F)."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    return np.where(known.max(axis=0) >= 0, known.argmax(axis=0), -1)


def steps_of(signal: np.ndarray, frames: int) -> np.ndarray:
    """(4 F, 13) float32 MFCCs, four a frame; where the sound ends early it begins anew, as in the public code."""
    steps = mfcc(np.clip(np.round(signal * 2.0**15), -(2**15), 2**15 - 1))[: 4 * frames]
    return np.pad(steps, ((0, 4 * frames - len(steps)), (0, 0)), mode="wrap").astype(np.float32)


def judge(network: TalkNet, pictures: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """(T,) scores of a face (T, 112, 112) uint8 with MFCCs (4 T, 13): the mean over windows of every length, smoothed.

    A window knows nothing of the frames around it. Only two features at either end of it are touched by that, so that the
    others are computed once for windows of all lengths.
    """
    import torch

    from avmc_core.clips.talknet_network import CONTEXT

    shown, heard, total = torch.from_numpy(pictures), torch.from_numpy(sound), len(pictures)
    said = np.zeros((len(SECONDS), total))
    with torch.no_grad():
        blocks = []
        for start in range(0, total, BLOCK):
            before = min(start, CONTEXT)
            looks = network.look(shown[start - before : start + BLOCK + CONTEXT])
            blocks.append(looks[before : before + BLOCK])
        whole = torch.cat(blocks)
        for row, seconds in enumerate(SECONDS):
            for start in range(0, total, FPS * seconds):
                stop = min(start + FPS * seconds, total)
                window = whole[start:stop].clone()
                if start > 0:
                    window[:CONTEXT] = network.look(shown[start : min(start + 2 * CONTEXT, stop)])[:CONTEXT]
                if stop < total:
                    window[-CONTEXT:] = network.look(shown[max(stop - 2 * CONTEXT, start) : stop])[-CONTEXT:]
                said[row, start:stop] = network(window, heard[4 * start : 4 * stop]).numpy()
    near = np.ones(SMOOTH_SCORE)
    return np.convolve(said.mean(axis=0), near, "same") / np.convolve(np.ones(total), near, "same")


def faces(clip: str | Path, tracks: list[np.ndarray]) -> list[Stretch]:
    """The stretches of all faces, with their pictures from the clip."""
    from avmc_core.clips.talknet_network import SIDE

    cv2, found = extra("cv2"), []
    for face, track in enumerate(tracks):
        for part in stretches(np.isfinite(track).all(axis=1)):
            boxes = boxes_of(track[part])
            found.append(Stretch(face, part.start, boxes, np.zeros((len(boxes), SIDE, SIDE), np.uint8)))
    number = count()

    def look(image: np.ndarray) -> None:
        frame, grey = next(number), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        for stretch in found:
            if 0 <= frame - stretch.start < len(stretch.boxes):
                stretch.pictures[frame - stretch.start] = crop(grey, *stretch.boxes[frame - stretch.start])

    read_clip(clip, look)
    return found


def stretches(found: np.ndarray) -> Iterator[slice]:
    """The frames of a face, found (F,) or not, without long gaps and without stretches too short to be judged."""
    frames = np.flatnonzero(found)
    for part in np.split(frames, np.flatnonzero(np.diff(frames) > GAP) + 1):
        if len(part) > SHORTEST:
            yield slice(int(part[0]), int(part[-1]) + 1)


def boxes_of(track: np.ndarray) -> np.ndarray:
    """(T, 3) centres and half sizes of the box around a face (T, 177), smoothed, straight lines in gaps.

    From brows to chin is two thirds of a face's height; the landmarks end at the brows, so that the box goes higher.
    """
    x, y = track[:, _X], track[:, _Y]
    left, right, brows, chin = x.min(axis=1), x.max(axis=1), y.min(axis=1), y.max(axis=1)
    top = brows - (chin - brows) / 2
    boxes = np.stack([(left + right) / 2, (top + chin) / 2, np.maximum(right - left, chin - top) / 2], axis=1)
    seen = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    filled = [np.interp(np.arange(len(boxes)), seen, column[seen]) for column in boxes.T]
    return np.stack([median_filter(column, SMOOTH_BOX, mode="constant") for column in filled], axis=1)


def crop(grey: np.ndarray, x: float, y: float, half: float) -> np.ndarray:
    """The face in a picture (H, W) uint8 as TalkNet sees it, (112, 112): the middle half of a window that begins at the
    box's top and is ``MARGIN`` wider to the left, the right and, twice, below."""
    half = max(half, 2.0)
    pad = int(half * (1 + 2 * MARGIN))
    padded = np.pad(grey, pad, constant_values=PADDING)
    height, width = grey.shape
    x, y = np.clip(x, 0, width) + pad, np.clip(y, 0, height) + pad  # landmarks may lie outside the picture
    rows = slice(int(y - half), int(y + half * (1 + 2 * MARGIN)))
    across = slice(int(x - half * (1 + MARGIN)), int(x + half * (1 + MARGIN)))
    return extra("cv2").resize(padded[rows, across], (224, 224))[56:168, 56:168]
