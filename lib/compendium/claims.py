"""Machinery: published numbers beside this run's, and the verdict on each (DESIGN's seven words are the only ones)."""

import math
from typing import Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict

from lib.compendium import places
from lib.compendium.errors import CompendiumError, did_you_mean

VERDICTS = ("reproduced", "direction", "not reproduced", "needs data", "synthetic", "paper inconsistent")
Evidence = Literal["real", "published", "synthetic"]


class Claim(BaseModel):
    """One published number or statement: its paper, the place in it, and what would count as the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    statement: str  # what the paper says, in one line
    where: str  # table and cell, figure, or section
    value: float | str  # the published number; for a direction, the relation in words
    kind: Literal["number", "direction"] = "number"
    tolerance: float = 0.0  # absolute; a number counts as reproduced within it
    unit: str = ""
    needs: str = ""  # the command or licence that gets the data the claim needs


def load(study: str) -> dict[str, Claim]:
    """Return a study's claims by id from `params/claims/<study>.yaml`."""
    entries = yaml.safe_load((places.CLAIMS / f"{study}.yaml").read_text())["claims"]
    claims = [Claim(**entry) for entry in entries]
    if len({claim.id for claim in claims}) < len(claims):
        raise CompendiumError(f"params/claims/{study}.yaml names a claim twice. Give each its own id.")
    return {claim.id: claim for claim in claims}


def verdict(claim: Claim, measured: float | None, evidence: Evidence = "real") -> str:
    """Return the verdict of one measured value on a claim.

    measured: this run's number; for a direction, a positive number when it holds; None when it could not be measured.
    evidence: `real` data, the `published` material of the paper itself (a disagreement then is the paper's own), or `synthetic`.
    """
    if measured is None:
        return "needs data"
    if evidence == "synthetic":
        return "synthetic"  # the atelier never judges a paper
    if claim.kind == "direction":
        return "direction" if measured > 0 else "not reproduced"
    if abs(float(measured) - float(claim.value)) <= claim.tolerance + 1e-12:
        return "reproduced"
    return "paper inconsistent" if evidence == "published" else "not reproduced"


def compare(study: str, measured: dict[str, tuple[float | None, Evidence]]) -> pd.DataFrame:
    """Return the "paper and this run" table: one row a claim, columns claim, where, paper, this run, verdict, note."""
    claims = load(study)
    rows = []
    for name, (value, evidence) in measured.items():
        if name not in claims:
            raise CompendiumError(f"No claim is called {name!r} in params/claims/{study}.yaml.{did_you_mean(name, claims)}")
        claim = claims[name]
        judged = verdict(claim, value, evidence)
        rows.append(
            {
                "id": f"{study}.{claim.id}",
                "claim": claim.statement,
                "where": claim.where,
                "paper": f"{_short(claim.value, claim.tolerance)} {claim.unit}".strip() if claim.kind == "number" else claim.value,
                "this run": _measured(claim, value),
                "verdict": judged,
                "note": claim.needs if judged == "needs data" else "",
            }
        )
    return pd.DataFrame(rows, columns=["id", "claim", "where", "paper", "this run", "verdict", "note"])


def _measured(claim: Claim, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{_short(value, claim.tolerance) if claim.kind == 'number' else format(value, '+.3f')} {claim.unit}".strip()


def _short(value: float | str, tolerance: float) -> str:
    """Return a number with three decimals at most, or with as many as its tolerance has, so that what is told apart looks apart."""
    if isinstance(value, str):
        return value
    decimals = -math.floor(math.log10(tolerance)) if tolerance else 0
    return f"{value:,.{decimals}f}" if decimals > 3 else f"{value:,.3f}".rstrip("0").rstrip(".")
