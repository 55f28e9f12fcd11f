"""Landmarks come back in pixels of the original from a turned and scaled region; box conventions and errors are clear."""

import numpy as np
import pytest

from lib.compendium.errors import ParameterError, WeightsError
from lib.faces import landmarks, transforms
from lib.faces.evaluate import pairwise_overlap

MTCNN_BOXES = {"astronaut": (181.6, 63.7, 83.0, 107.4), "hopper": (178.4, 109.9, 173.1, 219.9)}
HAAR_BOXES = {"astronaut": (177, 66, 95, 95), "hopper": (155, 105, 222, 222)}


class Dots:
    """A stand-in predictor: 68 points along the diagonal of the rectangle it is given."""

    def __call__(self, picture, rectangle):
        steps = np.linspace(0, 1, 68)
        points = [(rectangle.left() + step * (rectangle.width() - 1), rectangle.top() + step * (rectangle.height() - 1)) for step in steps]

        class Point:
            def __init__(self, x, y):
                self.x, self.y = x, y

        class Shape:
            def parts(self):
                return [Point(*point) for point in points]

        return Shape()


@pytest.mark.parametrize("roll", [0.0, 30.0, -90.0])
def test_points_come_back_into_the_picture(monkeypatch, astronaut, roll):
    """Points come back into the picture."""
    monkeypatch.setattr(landmarks, "predictor", lambda path: Dots())
    box = MTCNN_BOXES["astronaut"]
    points = landmarks.landmarks(astronaut, box, roll=roll, weights="any")
    assert points.shape == (68, 2) and points.dtype == np.float32
    x, y, side, _ = landmarks.dlib_box(box)
    if roll == 0:
        assert np.allclose(points[[0, -1]], [[x, y], [x + side, y + side]], atol=1)
    else:  # the same diagonal, turned about the box's centre by the roll
        middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
        angle = np.radians(-roll)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        expected = (np.array([[x, y], [x + side, y + side]]) - middle) @ turn.T + middle
        assert np.allclose(points[[0, -1]], expected, atol=1)


def test_our_boxes_become_those_of_the_predictors_own_detector(astronaut, hopper):
    """Our boxes become those of the predictor's own detector."""
    dlib = pytest.importorskip("dlib")
    detector = dlib.get_frontal_face_detector()
    for picture, name in ((astronaut, "astronaut"), (hopper, "hopper")):
        own = detector(picture, 1)[0]
        own = (own.left(), own.top(), own.width(), own.height())
        for kind, boxes in (("mtcnn", MTCNN_BOXES), ("haar", HAAR_BOXES)):
            assert pairwise_overlap([own], [landmarks.dlib_box(boxes[name], kind)])[0, 0] > 0.8


def test_eye_centres_are_the_rings_means():
    """Eye centres are the rings' means."""
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (10, 20), (30, 21)
    assert landmarks.eye_centres(points).tolist() == [[10, 20], [30, 21]]


def test_unknown_conventions_and_missing_weights_are_named(astronaut, tmp_path):
    """Unknown conventions and missing weights are named."""
    with pytest.raises(ParameterError, match="expected one of mtcnn"):
        landmarks.dlib_box((0, 0, 5, 5), "yolo")
    (tmp_path / "weights.dat").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="fetch the weights again"):
        landmarks.landmarks(astronaut, (180, 60, 80, 100), weights=str(tmp_path / "weights.dat"))


def test_a_region_far_outside_still_answers(monkeypatch, astronaut):
    """A region far outside still answers."""
    monkeypatch.setattr(landmarks, "predictor", lambda path: Dots())
    assert np.isfinite(landmarks.landmarks(astronaut, (490, 490, 60, 60), weights="any")).all()
    assert transforms.apply(astronaut, transforms.region((900, 900, 50, 50), 64, 2.0)).shape == (64, 64, 3)
