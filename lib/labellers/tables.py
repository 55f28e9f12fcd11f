"""Labellers: the tables of this room, checked by pandera when they are written and when they are read."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS

LABELLERS = ("openface", "action_units", "multitask", "cnn_rnn", "realtime_xception", "realtime_sequential", "human")

_FACE = {
    "face_id": pa.Column(str, pa.Check.str_matches(r"^[0-9a-f]{16}$")),
    "labeller": pa.Column(str, pa.Check.isin(LABELLERS)),
}
LABELS = pa.DataFrameSchema(
    {
        **_FACE,
        "expression": pa.Column(str, pa.Check.isin(EXPRESSIONS)),
        "score": pa.Column(float, pa.Check.in_range(0, 1), description="share of belief; a labeller's seven scores of a face sum to 1"),
    },
    strict=True, coerce=True, unique=["face_id", "labeller", "expression"], name="labels",
)  # fmt: skip
ACTION_UNITS = pa.DataFrameSchema(
    {
        **_FACE,
        "unit": pa.Column(int, pa.Check.in_range(1, 64), description="number in the Facial Action Coding System"),
        "presence": pa.Column(float, pa.Check.in_range(0, 1), nullable=True, description="0 absent, 1 present, or a probability"),
        "intensity": pa.Column(float, pa.Check.in_range(0, 5), nullable=True, description="OpenFace's scale, 0 nothing to 5 the strongest"),
    },
    strict=True, coerce=True, unique=["face_id", "labeller", "unit"], name="action_units",
)  # fmt: skip
AFFECT = pa.DataFrameSchema(
    {
        **_FACE,
        "valence": pa.Column(float, pa.Check.in_range(-1, 1), description="unpleasant to pleasant"),
        "arousal": pa.Column(float, pa.Check.in_range(-1, 1), description="calm to excited"),
    },
    strict=True, coerce=True, unique=["face_id", "labeller"], name="affect",
)  # fmt: skip
GENDER = pa.DataFrameSchema(
    {**_FACE, "woman": pa.Column(float, pa.Check.in_range(0, 1), description="likeness to photographs of actresses against actors'")},
    strict=True, coerce=True, unique=["face_id", "labeller"], name="gender",
)  # fmt: skip
REASONS = pa.DataFrameSchema(
    {**_FACE, "reason": pa.Column(str, pa.Check.str_length(min_value=1))}, strict=True, coerce=True, unique=["face_id", "labeller"],
    name="reasons",
)  # fmt: skip


def tidy(face_ids, labeller: str, answers: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """Return a labeller's answers, one row a face, as the five long tables LABELS, ACTION_UNITS, AFFECT, GENDER and REASONS.

    `answers`: the seven scores, and where the labeller has them `AU01_c` (presence), `AU01_r` (intensity), `valence`, `arousal`, `woman`,
    `reason`. A face without scores is in no table but the last. Raises ParameterError where a column is missing.
    """
    if missing := [name for name in (*EXPRESSIONS, "reason") if name not in answers]:
        raise ParameterError(f"The answers of {labeller} have no column {', '.join(missing)}; expected the seven expressions and `reason`.")
    wide = answers.reset_index(drop=True).assign(face_id=list(face_ids), labeller=labeller)
    answered = wide[list(EXPRESSIONS)].notna().all(axis=1)
    labels = wide[answered].melt(["face_id", "labeller"], list(EXPRESSIONS), "expression", "score")
    reasons = wide.loc[~answered, ["face_id", "labeller", "reason"]]
    affect, gender = (wide.reindex(columns=["face_id", "labeller", *names]).dropna() for names in (("valence", "arousal"), ("woman",)))
    tables = (LABELS, labels), (ACTION_UNITS, _units(wide)), (AFFECT, affect), (GENDER, gender), (REASONS, reasons)
    return tuple(schema.validate(table) for schema, table in tables)


def _units(wide: pd.DataFrame) -> pd.DataFrame:
    units = sorted({int(name[2:4]) for name in wide if name.startswith("AU") and name[4:] in ("_c", "_r")})
    parts = [
        pd.DataFrame({"face_id": wide["face_id"], "labeller": wide["labeller"], "unit": unit,
                      "presence": wide.get(f"AU{unit:02d}_c", np.nan), "intensity": wide.get(f"AU{unit:02d}_r", np.nan)})
        for unit in units
    ]  # fmt: skip
    columns = list(ACTION_UNITS.columns)
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: pd.Series(dtype=float) for name in columns})
    return table.dropna(subset=["presence", "intensity"], how="all")
