"""Collections: the schema of the table `images`, one row per picture file."""

import pandas as pd
import pandera.pandas as pandera

from lib.compendium.errors import CompendiumError


def _text(nullable: bool = True, **settings) -> pandera.Column:
    return pandera.Column(object, nullable=nullable, **settings)


def _is_text(values: pd.Series) -> pd.Series:
    return values.map(lambda value: value is None or value != value or isinstance(value, str))


TEXT = pandera.Check(_is_text, error="text or missing")
HEX16 = pandera.Check.str_matches(r"^([0-9a-f]{16})?$")
IMAGES = pandera.DataFrameSchema(
    {
        "image_id": _text(False, checks=[HEX16]),  # first 16 digits of the file's SHA-256; "" if the file could not be read
        "collection": _text(False, checks=[TEXT]),
        "file": _text(False, checks=[TEXT], unique=True),  # path below the collection's folder, forward slashes
        "status": _text(False, checks=[pandera.Check.isin(["ok", "broken"])]),
        "reason": _text(False, checks=[TEXT]),  # why broken, else ""
        "width": pandera.Column("Int64", nullable=True, checks=[pandera.Check.ge(0)]),  # pixels, upright
        "height": pandera.Column("Int64", nullable=True, checks=[pandera.Check.ge(0)]),
        "format": _text(False, checks=[TEXT]),
        "mode": _text(False, checks=[TEXT]),
        "bytes": pandera.Column("int64", checks=[pandera.Check.ge(0)]),
        "sha256": _text(False, checks=[pandera.Check.str_matches(r"^([0-9a-f]{64})?$")]),
        "perceptual_hash": _text(False, checks=[HEX16]),
        "duplicate_of": _text(checks=[TEXT]),  # the first file with the same bytes; missing: this is the first or only one
        "near_duplicate_group": _text(checks=[TEXT]),  # image_id of the group's first picture; missing: like no other
        "note": _text(False, checks=[TEXT]),
        "face_boxes": _text(checks=[TEXT]),  # "x,y,w,h;..." in pixels; "": no face; missing: not known
        "face_views": _text(checks=[TEXT]),
        "object": _text(False, checks=[TEXT]),
        "culture": _text(checks=[TEXT]),
        "material": _text(checks=[TEXT]),
        "licence": _text(checks=[TEXT]),
        "date": _text(checks=[TEXT]),
        "title": _text(checks=[TEXT]),
    },
    checks=[
        pandera.Check(lambda table: (table["status"] == "ok") | (table["reason"] != ""), error="a broken picture has a reason"),
    ],
    strict=False,  # the museum's own columns are kept
    name="images",
)


def checked(images: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is if it is a sound table of images; else raise CompendiumError naming columns and first values."""
    try:
        return IMAGES.validate(images, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise CompendiumError(f"The table of images is not as expected: {_said(error.failure_cases)}. Run the census again.") from None


def _said(failures: pd.DataFrame) -> str:
    """Say in one line which columns fail, with their first values; a rule about whole rows is said last and once."""
    sentences = []
    of_rows = failures["schema_context"] == "DataFrameSchema"
    missing = failures["check"] == "column_in_dataframe"
    for name in failures[missing]["failure_case"]:
        sentences.append(f"column {name!r} is missing")
    for (column, check), rows in failures[~of_rows & ~missing].groupby(["column", "check"], dropna=False, sort=False):
        values = ", ".join(repr(value) for value in rows["failure_case"].head(2))
        sentences.append(f"column {column!r} fails {check!r} (received {values})")
    sentences += [f"rows fail {check!r}" for check in failures[of_rows & ~missing]["check"].unique()]
    return "; ".join(sentences[:4])
