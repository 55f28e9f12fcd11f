"""Haar and MTCNN find the faces of two portraits; MTCNN equals its package, and goes on where the package's pyramid fails."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.compendium.errors import ParameterError
from lib.faces import detectors
from lib.faces.evaluate import pairwise_overlap

BLANKS = [np.full((200, 300, 3), 127, np.uint8), np.zeros((5, 5, 3), np.uint8), np.zeros((1, 900, 3), np.uint8)]


def overlap(face, box):
    return pairwise_overlap([face["box"]], [box])[0, 0]


def test_haar_finds_both_faces_with_a_weight(astronaut, hopper, boxes):
    """Haar finds both faces with a weight."""
    for picture, name in ((astronaut, "astronaut"), (hopper, "hopper")):
        face = detectors.haar(picture)[0]
        assert overlap(face, boxes[name]) > 0.5 and 1 < face["confidence"] < 20 and face["points"] is None
        assert all(type(value) is float for value in (*face["box"], face["confidence"]))


@pytest.mark.parametrize("picture", BLANKS)
def test_haar_finds_nothing_in_blank_and_tiny_pictures(picture):
    """Haar finds nothing in blank and tiny pictures."""
    assert detectors.haar(picture) == []


@pytest.mark.slow
@pytest.mark.parametrize("picture", BLANKS)
def test_mtcnn_finds_nothing_in_blank_and_tiny_pictures(picture):
    """MTCNN finds nothing in blank and tiny pictures."""
    assert detectors.mtcnn(picture) == []


@pytest.mark.slow
def test_mtcnn_takes_small_and_long_pictures(astronaut):
    """MTCNN takes small and long pictures."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 700, 3), dtype=np.uint8)
    assert detectors.mtcnn(noise) == [] or isinstance(detectors.mtcnn(noise), list)
    assert isinstance(detectors.mtcnn(astronaut[:13, :12].copy()), list)


@pytest.mark.parametrize("bad", [np.zeros((40, 40), np.uint8), np.zeros((40, 40, 4), np.uint8), np.zeros((40, 40, 3)), None])
def test_other_arrays_are_refused(bad):
    """Other arrays are refused."""
    with pytest.raises(ParameterError, match="uint8 RGB"):
        detectors.haar(bad)
    with pytest.raises(ParameterError, match="uint8 RGB"):
        detectors.mtcnn(bad)


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(12, 500), st.floats(0.3, 0.9))
def test_no_level_of_the_pyramid_is_smaller_than_the_window(width, height, minimum_face, steepness):
    """No level of the pyramid is smaller than the window."""
    scales = detectors.scale_pyramid(width, height, minimum_face, steepness)
    assert all(int(scale * min(width, height)) >= 12 for scale in scales)
    assert scales == sorted(scales, reverse=True)
    if scales:
        assert int(scales[-1] * steepness * min(width, height)) < 12  # and it does not end early
        assert scales[0] == pytest.approx(12 / minimum_face)


@pytest.mark.slow
def test_mtcnn_equals_the_package_at_its_defaults(astronaut, hopper):
    """MTCNN equals the package at its defaults."""
    package = pytest.importorskip("mtcnn").MTCNN()
    for picture in (astronaut, hopper, np.ascontiguousarray(astronaut[:400, :300])):
        ours, theirs = detectors.mtcnn(picture), package.detect_faces(picture)
        assert len(ours) == len(theirs) == 1
        assert np.allclose(ours[0]["box"], theirs[0]["box"], atol=1.01)  # the package rounds
        assert ours[0]["confidence"] == pytest.approx(float(theirs[0]["confidence"]), abs=1e-4)
        order = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        assert np.allclose(ours[0]["points"], [theirs[0]["keypoints"][name] for name in order], atol=1.01)


@pytest.mark.slow
@pytest.mark.parametrize("minimum_face", [30, 60])
def test_the_fault_of_the_package_is_there_and_mended(astronaut, boxes, minimum_face):
    """The fault of the package is there and mended."""
    package = pytest.importorskip("mtcnn").MTCNN()
    theirs = package.detect_faces(astronaut, min_face_size=minimum_face)
    ours = detectors.mtcnn(astronaut, minimum_face)
    assert theirs == [], "the package finds faces now: the work-around of scale_pyramid may go"
    assert len(ours) == 1 and overlap(ours[0], boxes["astronaut"]) > 0.5


def test_suppression_in_blocks_equals_the_whole_matrix(monkeypatch):
    """Suppression in blocks equals the whole matrix."""
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 100, (70, 2))
    corners = np.concatenate([start, start + rng.uniform(5, 40, (70, 2))], axis=1)
    scores = rng.uniform(size=70)
    whole = detectors._suppress(corners, scores, 0.5).tolist()
    monkeypatch.setattr(detectors, "BATCH", 7)
    assert detectors._suppress(corners, scores, 0.5).tolist() == whole
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    overlaps = pairwise_overlap(sizes, sizes)
    expected = [i for i in np.argsort(-scores) if not any(scores[j] > scores[i] and overlaps[i, j] > 0.5 for j in range(70))]
    assert whole == expected


def test_tensorflow_waits_until_it_is_needed():
    """TensorFlow waits until it is needed."""
    code = "import sys, lib.faces.ladder, lib.faces.crops, lib.faces.landmarks; print('tensorflow' in sys.modules, 'dlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]


def test_many_networks_in_one_process_are_no_mistake(caplog):
    """TensorFlow's warning that functions are compiled again, once a network, reaches no reader; others do."""
    said = logging.getLogger("tensorflow")
    said.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for text in ("5 out of the last 13 calls to <function f> triggered tf.function retracing.", "something else"):
            said.warning(text)
    said.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"something else"}
