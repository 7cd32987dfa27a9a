"""Faces of every size are found at little cost, however the frames lie in memory."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_clips import Drawn, picture

from avmc_core.clips import face_search
from avmc_core.clips.face_search import AGAIN, EVERY, FaceSearch, overlap
from avmc_core.clips.landmarks import Face, Landmarks

FRAMES = 4


@pytest.fixture(scope="module")
def visual():
    return Landmarks()


def scene(
    number: int, widths: dict[tuple[int, int], int], size: tuple[int, int] = (960, 540)
) -> np.ndarray:
    """A picture of drawn faces; ``widths`` gives the width in pixels of the face at each place."""
    noise = np.random.default_rng(5).integers(
        90, 160, (size[1] // 40, size[0] // 40, 3), dtype=np.uint8
    )
    image = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    for (x, y), width in widths.items():
        drawn = picture([Drawn(np.full(EVERY + 9, 0.3), (160, 120), 58)], number)[20:230, 75:245]
        scale = width / (2 * 0.95 * 58)
        part = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top, left = y - part.shape[0] // 2, x - part.shape[1] // 2
        image[top : top + part.shape[0], left : left + part.shape[1]] = part
    return image


def middles(faces: list[Face]) -> list[tuple[int, int]]:
    """The centres of the faces found, rounded to 50 pixels."""
    return sorted(
        tuple((50 * np.round(face.points.mean(axis=0) / 50)).astype(int).tolist()) for face in faces
    )


@pytest.mark.parametrize("width", [45, 90, 250])
def test_a_face_of_any_width_is_found_in_every_frame(visual, width):
    look = visual.look
    found = [look(scene(number, {(500, 300): width})) for number in range(FRAMES)]
    assert [middles(faces) for faces in found] == [[(500, 300)]] * FRAMES
    for faces in found:
        points = faces[0].points
        assert np.hypot(*(points[16] - points[0])) == pytest.approx(width, rel=0.25)


def test_small_faces_beside_a_large_one_are_found(visual):
    """All three people are found."""
    look, places = visual.look, {(200, 250): 220, (500, 300): 50, (800, 400): 70}
    for number in range(FRAMES):
        assert middles(look(scene(number, places))) == [(200, 250), (500, 300), (800, 400)]


def test_a_small_face_that_comes_later_is_found_within_a_second(visual):
    look, seen = visual.look, []
    for number in range(EVERY + 5):
        places = {(200, 250): 220} | ({(700, 400): 60} if number >= 3 else {})
        seen.append(len(look(scene(number, places))))
    assert seen[:3] == [1] * 3 and seen[EVERY:] == [2] * 5


@pytest.mark.parametrize(
    "there, expected", [(True, {480: 50, 1920: 2}), (False, {480: 50, 1920: 50 // AGAIN, 3840: 2})]
)
def test_large_searches_are_few(monkeypatch, there, expected):
    """The cost depends on how often the whole picture is searched at a large scale: once a second
    with a face, five times a second without one, and once a second at the largest scale of all."""
    sizes = []

    def detect(self, image, scale):
        sizes.append(round(scale * max(image.shape[:2])))
        return [(300.0, 300.0, 700.0, 700.0)] if there else []

    monkeypatch.setattr(FaceSearch, "_detect", detect)
    search, image = FaceSearch(None), np.zeros((1080, 1920, 3), np.uint8)
    for _ in range(50):
        search.boxes(image)
    assert {size: sizes.count(size) for size in set(sizes)} == expected


def test_nothing_is_found_where_no_face_is(visual):
    look = visual.look
    assert not any(look(scene(number, {})) for number in range(FRAMES))


@pytest.mark.parametrize("width", [426, 427, 321])
def test_frames_that_are_no_contiguous_block_give_the_same(visual, width):
    """Decoders deliver such frames, with padding after each line."""
    image = cv2.resize(scene(0, {(500, 280): 220}), (width, 240), interpolation=cv2.INTER_AREA)
    padded = np.zeros((240, width + 22, 3), np.uint8)
    padded[:, :width] = image
    expected, found = visual.look(image), visual.look(padded[:, :width])
    assert len(expected) == len(found) == 1
    np.testing.assert_array_equal(found[0].points, expected[0].points)


def test_each_clip_begins_anew(visual):
    """The faces of the previous clip are forgotten: the attribute is read once for each clip."""
    image = scene(0, {(500, 300): 50})
    first, second = visual.look, visual.look
    assert middles(first(image)) == middles(second(image)) == [(500, 300)]
    assert not visual.look(scene(0, {})) and len(first(image)) == 1


def test_overlap_is_intersection_over_union():
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert overlap((0, 0, 10, 10), (2, 2, 12, 12)) > face_search.OVERLAP
