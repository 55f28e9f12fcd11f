import numpy as np
import pandas as pd
import pandera.errors
import pytest

from lib.compendium.errors import ParameterError
from lib.expressions import EXPRESSIONS
from lib.labellers.tables import tidy

IDS = ["0" * 16, "1" * 16, "2" * 16]


def answers(**more) -> pd.DataFrame:
    scores = np.array([[1, 0, 0, 0, 0, 0, 0], [np.nan] * 7, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4]])
    return pd.DataFrame(scores, columns=list(EXPRESSIONS)).assign(reason=["", "no landmarks", ""], **more)


def test_scores_come_back():
    """Scores survive the way into the long table and back; a face without an answer is NaN, and its reason is kept."""
    labels, units, affect, gender, reasons = tidy(IDS, "multitask", answers())
    assert len(labels) == 14 and units.empty and affect.empty and gender.empty
    back = labels.pivot(index="face_id", columns="expression", values="score").reindex(index=IDS[::-1], columns=list(EXPRESSIONS))
    assert np.allclose(back, answers()[list(EXPRESSIONS)].to_numpy()[::-1], equal_nan=True)
    assert reasons.to_dict("records") == [{"face_id": IDS[1], "labeller": "multitask", "reason": "no landmarks"}]
    assert set(labels["labeller"]) == {"multitask"}


def test_units_and_affect():
    """Presence and intensity of a unit share a row; a labeller with presence alone leaves intensity unknown; unmeasured rows go."""
    feeling = {"valence": [0.5, np.nan, -1], "arousal": [0, np.nan, 1]}
    table = answers(AU12_c=[1, np.nan, 0], AU12_r=[3.5, np.nan, 0.2], AU28_c=[0, np.nan, 1], **feeling)
    _, units, affect, gender, _ = tidy(IDS, "openface", table.assign(woman=[0.25, np.nan, 1]))
    smile = units[(units["unit"] == 12) & (units["face_id"] == IDS[0])].iloc[0]
    assert (smile["presence"], smile["intensity"]) == (1, 3.5)
    assert units[units["unit"] == 28]["intensity"].isna().all() and IDS[1] not in set(units["face_id"])
    assert affect["valence"].tolist() == [0.5, -1] and gender["woman"].tolist() == [0.25, 1]


def test_wrong_answers_are_named():
    """A missing column, a score beyond 1 and an intensity beyond 5 are refused."""
    with pytest.raises(ParameterError, match="happy"):
        tidy(IDS, "openface", answers().drop(columns="happy"))
    with pytest.raises(pandera.errors.SchemaError, match="score"):
        tidy(IDS, "openface", answers().assign(happy=[1.2, np.nan, 0]))
    with pytest.raises(pandera.errors.SchemaError, match="intensity"):
        tidy(IDS, "openface", answers(AU12_c=[1.0, 1, 1], AU12_r=[7.0, 1, 1]))
