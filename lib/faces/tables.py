"""Faces: the tables of this room, checked by pandera when they are written and when they are read."""

import hashlib
import json

import pandas as pd
import pandera.pandas as pa

RUNGS = ("haar", "mtcnn", "scale", "zoom", "rotate", "crop", "hand")
DETECTORS = ("haar", "mtcnn", "hand")

_BOX = {
    "x": pa.Column(float, description="left edge, pixels of the original picture"),
    "y": pa.Column(float, description="top edge, pixels of the original picture"),
    "width": pa.Column(float, pa.Check.gt(0), description="pixels of the original picture"),
    "height": pa.Column(float, pa.Check.gt(0), description="pixels of the original picture"),
    "confidence": pa.Column(float, description="mtcnn: probability 0 to 1; haar: weight of the last stage; hand: 1"),
    "detector": pa.Column(str, pa.Check.isin(DETECTORS)),
    "rung": pa.Column(str, pa.Check.isin(RUNGS), description="the rung of the ladder that first found the face"),
    "transform": pa.Column(str, description="JSON: name and parameters of the picture transform the box was found in"),
    "witnesses": pa.Column(int, pa.Check.ge(0), description="second looks that found the face again"),
    "roll": pa.Column(float, pa.Check.in_range(-180, 180), description="lean of the head in degrees, positive counter-clockwise"),
}

FACES = pa.DataFrameSchema(
    {
        "face_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{16}$"), unique=True),
        "image_id": pa.Column(str, pa.Check.str_length(min_value=1)),
        "file": pa.Column(str, description="as in the table of images"),
        **_BOX,
        "points": pa.Column(str, description="JSON: MTCNN's five points in the original picture, or empty"),
        "crop_index": pa.Column(int, pa.Check.ge(-1), required=False, description="row of crops.npy; -1: the picture cannot be read"),
        "alignment": pa.Column(str, pa.Check.isin(("landmarks", "points", "box", "unreadable")), required=False),
    },
    strict=False, coerce=True, name="faces",
)

ATTEMPTS = pa.DataFrameSchema(
    {
        "image_id": pa.Column(str, pa.Check.str_length(min_value=1)),
        "file": pa.Column(str),
        **_BOX,
        "accepted": pa.Column(bool),
        "reason": pa.Column(str, description="accepted, or why not"),
    },
    strict=False, coerce=True, name="attempts",
)


def face_id(image_id: str, box) -> str:
    """Return the id of a face: 16 hexadecimal digits of the SHA-256 of the picture's id and the box rounded to whole pixels."""
    rounded = ",".join(str(round(float(value))) for value in box)
    return hashlib.sha256(f"{image_id}:{rounded}".encode()).hexdigest()[:16]


def faces_table(results: list) -> pd.DataFrame:
    """Return the table of faces of many results of `ladder.detect_picture_job`, one row a face, in the order of the results."""
    rows = [row for result in results for row in result["faces"]]
    return FACES.validate(_frame(rows, FACES))


def attempts_table(results: list) -> pd.DataFrame:
    """Return the table of all boxes any rung or detector proposed, accepted or not, of many results of `detect_picture_job`."""
    rows = [row for result in results for row in result["attempts"]]
    return ATTEMPTS.validate(_frame(rows, ATTEMPTS))


def _frame(rows: list, schema: pa.DataFrameSchema) -> pd.DataFrame:
    required = [name for name, column in schema.columns.items() if column.required]
    return pd.DataFrame(rows) if rows else pd.DataFrame({name: pd.Series(dtype=object) for name in required})


def points_of(text) -> list | None:
    """Return five points from the column `points`, or None where there are none."""
    return json.loads(text) if isinstance(text, str) and text else None
