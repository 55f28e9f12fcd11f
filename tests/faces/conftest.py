"""Two portraits that come with scikit-image and matplotlib: pictures with one face each whose place is known to the eye."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image
from skimage import data

ASTRONAUT_BOX = (172, 70, 100, 110)  # drawn by eye: hairline to chin, ear to ear
HOPPER_BOX = (172, 125, 185, 205)


@pytest.fixture(scope="session")
def astronaut():
    """scikit-image's astronaut (Eileen Collins, NASA, public domain), uint8 RGB (512, 512, 3)."""
    return np.ascontiguousarray(data.astronaut()[..., :3])


@pytest.fixture(scope="session")
def hopper():
    """matplotlib's grace_hopper.jpg (US Navy, public domain), uint8 RGB (600, 512, 3)."""
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.fixture(scope="session")
def boxes():
    return {"astronaut": ASTRONAUT_BOX, "hopper": HOPPER_BOX}
