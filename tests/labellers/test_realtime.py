"""The real-time networks as labellers: what they see, the order of their classes, faces without an answer, the trained network."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest

from lib.compendium import kept as keeping
from lib.compendium import weights
from lib.compendium.errors import ParameterError, WeightsError
from lib.expressions import EXPRESSIONS
from lib.labellers import realtime
from lib.training.faces import COLUMNS, TrainingFaces

BLANK = np.full((1, 224, 224, 3), 128, np.uint8)
NOWHERE = np.full((1, 68, 2), np.nan, np.float32)


class Says:
    """A network that always gives one class of its own order, and remembers what it was shown."""

    def __init__(self, number, classes=7):
        self.number, self.output_shape, self.shown = number, (None, classes), []

    def predict_on_batch(self, pictures):
        self.shown.append(pictures)
        return np.tile(np.eye(self.output_shape[1], dtype=np.float32)[self.number], (len(pictures), 1))


@pytest.fixture
def says(monkeypatch):
    def use(number):
        network = Says(number)
        monkeypatch.setattr(realtime, "_network", lambda *_: network)
        return network

    return use


@pytest.mark.parametrize(("number", "name"), list(enumerate(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"])))
def test_classes_are_fer2013s(says, number, name):
    """A network that always says FER2013's number 3 says happy, and so on for each of the seven."""
    says(number)
    answer = realtime.label_batch(BLANK, NOWHERE)
    assert list(answer.columns) == [*EXPRESSIONS, "reason"] and answer["reason"].tolist() == [""]
    assert answer[list(EXPRESSIONS)].idxmax(axis=1).tolist() == [name] and answer[name].tolist() == [1.0]
    assert EXPRESSIONS[realtime.predict_grey(np.zeros((1, 48, 48), np.uint8)).argmax()] == name


def test_a_picture_is_prepared_as_the_authors_do():
    """Grey is .299 R + .587 G + .114 B, and resizing 2 x 2 to 4 x 4 mixes neighbours by quarters: worked out by hand."""
    red_and_blue = np.zeros((2, 2, 3), np.uint8)
    red_and_blue[:, 0], red_and_blue[:, 1] = (200, 0, 0), (0, 0, 200)
    left, right = round(0.299 * 200), round(0.114 * 200)  # 60 and 23
    row = [left, left * 0.75 + right * 0.25, left * 0.25 + right * 0.75, right]
    assert realtime.prepared(red_and_blue, 4)[..., 0] == pytest.approx(np.tile(np.round(row), (4, 1)), abs=0.6)


def test_the_square_keeps_the_place_of_what_it_shows():
    """A square cut at its own size is the picture itself; a dot lands where its square's scale says; the outside repeats the edge."""
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    same = realtime.cut(picture, 32, 32, 64, 64)[..., 0]
    assert same == pytest.approx(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float))
    dot = np.zeros((200, 200, 3), np.uint8)
    dot[118:122, 138:142] = 255  # around (140, 120)
    seen = realtime.cut(dot, 120, 120, 80, 64)[..., 0]
    y, x = np.average(np.indices(seen.shape).reshape(2, -1), axis=1, weights=seen.ravel())
    assert (x + 0.5, y + 0.5) == pytest.approx((32 + 20 * 0.8, 32), abs=0.05)
    assert realtime.cut(np.full((50, 50, 3), 90, np.uint8), 45, 45, 40, 16) == pytest.approx(90)


def test_the_square_follows_the_landmarks():
    """The square lies around the landmarks, a tenth of its side higher; without landmarks it is a fixed share of the crop."""
    points = np.stack([np.linspace(20, 180, 68), np.linspace(50, 250, 68)], axis=1)
    x, y, side = realtime.square_of(points, 224)
    assert (x, side) == pytest.approx((100, 1.08 * 200)) and y == pytest.approx(150 - 0.1 * side)
    points[3] = np.nan
    assert realtime.square_of(points, 200) == pytest.approx([200 * share for share in realtime.FIXED])


def test_views_are_averaged_and_faces_do_not_mix(says):
    """Five views of two faces are ten pictures; the answer of a face does not depend on its neighbours."""
    network = says(0)
    crops = np.random.default_rng(3).integers(0, 256, (2, 100, 100, 3), dtype=np.uint8)
    realtime.label_batch(crops, np.repeat(NOWHERE, 2, axis=0), {"views": 5})
    together = network.shown[-1]
    assert together.shape == (realtime.BATCH, 64, 64, 1) and not np.array_equal(together[0], together[1])
    realtime.label_batch(crops[1:], NOWHERE, {"views": 5})
    assert np.array_equal(network.shown[-1][:5], together[5:10])


def test_as_published_a_face_haar_misses_has_no_answer(says):
    """On a blank crop Haar finds nothing: seven NaN and the reason; nothing is guessed."""
    says(3)
    answer = realtime.label_batch(BLANK, NOWHERE, {"preprocessing": "as_published"})
    assert answer[list(EXPRESSIONS)].isna().all(axis=None) and "Haar" in answer["reason"][0]


def test_as_published_the_box_is_resized(says):
    """Where Haar finds a face, the network sees the grey box resized to 64 pixels, as OpenCV alone gives it."""
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut()[30:254, 110:334, :3])
    grey = cv2.cvtColor(cv2.copyMakeBorder(picture, 67, 67, 67, 67, cv2.BORDER_REPLICATE), cv2.COLOR_RGB2GRAY)
    finder = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    x, y, width, height = max(finder.detectMultiScale(grey, 1.3, 5), key=lambda box: box[2] * box[3])
    network = says(3)
    answer = realtime.label_batch(picture[None], NOWHERE, {"preprocessing": "as_published", "views": 5})
    assert answer["happy"].tolist() == [1.0]
    assert np.array_equal(network.shown[0][0, ..., 0], cv2.resize(grey[y:y + height, x:x + width], (64, 64)))


def test_no_faces_no_rows(says):
    """An empty stack of crops gives an empty table with all columns."""
    says(0)
    answer = realtime.label_batch(BLANK[:0], NOWHERE[:0])
    assert len(answer) == 0 and list(answer.columns) == [*EXPRESSIONS, "reason"]


def test_the_gender_network_is_asked_only_when_named(says, monkeypatch):
    """`woman` is the first of its two classes, and there only with `gender_weights`."""
    says(0)
    asked = []
    monkeypatch.setattr(realtime, "_gender", lambda path: asked.append(path) or Says(0, classes=2))
    assert "woman" not in realtime.label_batch(BLANK, NOWHERE) and not asked
    assert realtime.label_batch(BLANK, NOWHERE, {"gender_weights": "g.hdf5"})["woman"].tolist() == [1.0] and asked == ["g.hdf5"]


@pytest.mark.parametrize(("settings", "said"), [
    ({"network": "vgg"}, "Received network 'vgg'"),
    ({"preprocessing": "publisched"}, "aligned, as_published"),
    ({"views": 6}, "from 1 to 5"),
    ({"veiws": 1}, "Did you mean 'views'"),
])  # fmt: skip
def test_wrong_settings_are_refused(settings, said):
    """An unknown setting or value is named with what is expected."""
    with pytest.raises(ParameterError, match=said):
        realtime.label_batch(BLANK, NOWHERE, settings)


def test_pictures_that_are_not_grey_bytes_are_refused():
    """`predict_grey` takes uint8 (n, height, width) only."""
    with pytest.raises(ParameterError, match="float64"):
        realtime.predict_grey(np.zeros((2, 48, 48)))


def test_the_sequential_network_needs_training_first(tmp_path):
    """Without a folder, or with one without its weights, it says to train."""
    for folder in (None, str(tmp_path)):
        with pytest.raises(WeightsError, match="[Tt]rain it"):
            realtime.label_batch_sequential(BLANK, NOWHERE, {"folder": folder})


@pytest.mark.slow
def test_the_published_network_reads_a_made_up_smile():
    """mini_XCEPTION finds a full smile likelier than a blank face's, in a crop aligned as the compendium's are."""
    from lib.training.faces import _cut, prototype

    if weights.check(realtime.WEIGHTS) != "ok" or weights.check("dlib_68_landmarks") != "ok":
        pytest.skip("the weights are not here: make weights")
    wanted = {"seed": 900, "kind": "prototypes", "material": "skin"}
    made = [_cut(prototype(wanted, EXPRESSIONS.index(name)), 224) for name in ("happy", "neutral")]
    answer = realtime.label_batch(np.stack([row[0] for row in made]), np.stack([row[1] for row in made]))
    assert answer["happy"][0] > answer["happy"][1] + 0.2
    assert answer[list(EXPRESSIONS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def plain_faces(count, seed):
    """Crops whose pattern is their class: level bars, thinner and more of them with the class's number, wherever a change shifts them."""
    rng = np.random.default_rng(seed)
    crops = rng.integers(90, 110, (count, 48, 48, 3), dtype=np.uint8)
    for number in range(count):
        crops[number, np.arange(48) * (number % 7 + 1) // 24 % 2 == 1] = 250
    table = pd.DataFrame(index=range(count), columns=list(COLUMNS))
    table["expression"] = [EXPRESSIONS[number % 7] for number in range(count)]
    table["subject"] = [f"s{seed}-{number // 7}" for number in range(count)]
    return TrainingFaces(crops, np.full((count, 68, 2), np.nan, np.float32), table)


@pytest.mark.slow
def test_the_sequential_network_learns_and_is_kept(tmp_path, monkeypatch):
    """Trained on bars it tells how many there are, in other pictures; the second call trains nothing; changed weights are refused."""
    from lib.training import faces

    monkeypatch.setattr(keeping, "FOLDER", tmp_path)
    monkeypatch.setattr(faces, "atelier_faces", lambda count, *_: plain_faces(count, 0))
    settings = {"epochs": 8, "count": 280, "batch": 16, "rate": 3e-3, "held_out": 0.2}
    folder = realtime.trained(settings)
    monkeypatch.setattr(faces, "atelier_faces", lambda *_: pytest.fail("made faces again"))
    assert realtime.trained(settings) == folder
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "record.json", realtime.FILE]
    record = keeping.record_of(folder)
    assert record["faces"] == 224 and record["held_out"] == 56
    test = plain_faces(35, 1)
    answer = realtime.label_batch_sequential(test.crops, test.landmarks, {"folder": str(folder), "views": 1})
    assert np.mean(answer[list(EXPRESSIONS)].idxmax(axis=1).to_numpy() == test.table["expression"].to_numpy()) > 0.7
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / realtime.FILE).write_bytes(b"something else")
    with pytest.raises(WeightsError, match="was changed"):
        realtime.label_batch_sequential(test.crops, test.landmarks, {"folder": str(copy)})


@pytest.mark.parametrize(("settings", "said"), [({"epoch": 3}, "Did you mean 'epochs'"), ({"dropout": 1.5}, "dropout")])
def test_wrong_training_settings_are_refused(settings, said):
    """Unknown settings of the training and values out of range are named before any face is made."""
    with pytest.raises(ParameterError, match=said):
        realtime.trained(settings)
