"""Collections: the painter's global cue: palette, brightness and canvas of a group of emotions laid over a picture. Synthetic.

What a face shows stays where it was: grey values change by one straight line for the whole picture (brightness and contrast) and by the
canvas, which a painter finishes finely on a face; colours follow the palette and leave the grey values alone.
"""

from typing import NamedTuple

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV's and Pillow's grey
REFERENCE = 128  # pixels of the side at which grain sizes are given


class Manner(NamedTuple):
    """How a group is painted: five colours (sRGB) from dark to light, mean brightness (0 to 1), hardness (0 soft to 1 hard)."""

    palette: tuple
    brightness: float
    hardness: float


# Ours, by what painters' handbooks say of moods: no palette is stated in the paper.
MANNERS = (
    Manner(((16, 18, 34), (50, 60, 94), (86, 76, 116), (112, 130, 134), (190, 202, 220)), 0.34, 1.0),  # night blue, violet, cold green
    Manner(((44, 38, 30), (94, 80, 60), (138, 124, 100), (182, 170, 146), (226, 218, 200)), 0.44, 0.35),  # umber, beige, putty
    Manner(((8, 52, 66), (152, 22, 92), (24, 138, 96), (236, 118, 64), (250, 226, 92)), 0.53, 0.70),  # petrol, magenta, emerald, lemon
    Manner(((122, 50, 36), (206, 98, 66), (240, 158, 92), (252, 212, 118), (208, 230, 242)), 0.62, 0.0),  # brick, coral, gold, pale sky
)
SPREAD = 0.035  # standard deviation of brightness within a group
CONTRAST = (0.78, 0.96)  # of the grey values about their mean
OWN_COLOUR = (0.2, 0.75)  # share of the picture's own colours left, elsewhere and on a face: flesh stays flesh, or no detector sees a face
CANVAS = 0.045  # standard deviation of the canvas in grey values
ON_A_FACE = 0.12  # share of the canvas left on a face
GRAIN = (5.5, 0.7)  # Gaussian sigma in pixels at REFERENCE, of the softest and the hardest canvas
STROKE = 1.8  # how much longer than wide a stroke is


def repaint(picture: np.ndarray, group: int, generator: np.random.Generator, face_box=None) -> np.ndarray:
    """Return a picture (uint8 RGB, h x w x 3) in the manner of a group (0 to 3); `face_box`: x, y, width, height of a face, if any.

    Brightness, contrast, saturation and canvas vary from picture to picture about the group's; the generator decides.
    """
    manner = MANNERS[group]
    shown = picture.astype(np.float32) / 255
    grey, face = shown @ LUMA, on_face(picture.shape[:2], face_box)
    target = manner.brightness + SPREAD * float(np.clip(generator.standard_normal(), -2, 2))
    new = np.clip(target + generator.uniform(*CONTRAST) * (grey - grey.mean()), 0.02, 0.98)
    own = (OWN_COLOUR[0] + (OWN_COLOUR[1] - OWN_COLOUR[0]) * face)[..., None]
    colour = (1 - own) * pigment(grey, manner.palette, generator) + own * (shown - grey[..., None])
    hardness = float(np.clip(manner.hardness + generator.normal(0, 0.06), 0, 1))
    relief = CANVAS * generator.uniform(0.8, 1.2) * canvas(*grey.shape, hardness, generator) * (1 - (1 - ON_A_FACE) * face)
    return (within_gamut(np.clip(new + relief, 0.01, 0.99), colour * generator.uniform(0.8, 1.1)) * 255 + 0.5).astype(np.uint8)


def on_face(shape: tuple, face_box=None) -> np.ndarray:
    """Return how much a pixel belongs to the face (h, w, float32): 1 inside the box's ellipse, 0 well outside and without a box."""
    if face_box is None or np.isnan(face_box[0]):
        return np.zeros(shape, np.float32)
    x, y, width, height = face_box
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    away = np.hypot((columns - x - width / 2) / (0.55 * width), (rows - y - height / 2) / (0.55 * height))
    return np.clip((1.3 - away) / 0.35, 0, 1).astype(np.float32)


def pigment(grey: np.ndarray, palette, generator: np.random.Generator) -> np.ndarray:
    """Return colour without grey (h, w, 3, float32; its luma is 0): the palette from dark to light over the picture's own tonal order."""
    colours = np.asarray(palette, np.float32) / 255
    colours = np.clip(colours + generator.normal(0, 0.025, colours.shape).astype(np.float32), 0, 1)
    chroma = colours - (colours @ LUMA)[:, None]
    # Five tones of equal area: every pigment is used, in dark pictures as in bright ones.
    stops = np.quantile(grey, (0.08, 0.30, 0.52, 0.74, 0.94))
    stops = np.maximum.accumulate(stops + 1e-4 * np.arange(5))
    return np.stack([np.interp(grey, stops, chroma[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def within_gamut(grey: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return float RGB of grey values (h, w) plus colour (h, w, 3) of luma 0, the colour weakened where it would leave 0 to 1."""
    room = np.where(colour > 0, (1 - grey)[..., None] / np.maximum(colour, 1e-6), grey[..., None] / np.maximum(-colour, 1e-6))
    return grey[..., None] + colour * np.clip(room.min(axis=-1, keepdims=True), 0, 1)


def canvas(height: int, width: int, hardness: float, generator: np.random.Generator) -> np.ndarray:
    """Return the relief of a canvas (h, w), mean 0, standard deviation 1: fine and sharp strokes where hard (1), broad soft ones at 0."""
    side = max(height, width)
    sigma = max(GRAIN[0] * (GRAIN[1] / GRAIN[0]) ** hardness * side / REFERENCE, 0.3)
    room = int(np.ceil(1.5 * side))  # so that it still covers the picture when turned
    noise = generator.standard_normal((room, room)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigma * STROKE**0.5, sigmaY=sigma / STROKE**0.5)
    turn = cv2.getRotationMatrix2D((room / 2, room / 2), float(generator.uniform(0, 180)), 1.0)
    turn[:, 2] += (width - room) / 2, (height - room) / 2
    noise = _standard(cv2.warpAffine(noise, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
    return _standard((1 - hardness) * noise + hardness * np.tanh(3 * noise))


def _standard(noise: np.ndarray) -> np.ndarray:
    return ((noise - noise.mean()) / max(float(noise.std()), 1e-6)).astype(np.float32)
