"""Published numbers: the papers' tables, with the digits as printed, under `tables` in `params/claims/<study>.yaml` beside the claims."""

import io
from collections.abc import Iterable
from functools import cache

import pandas as pd
import yaml

from lib.compendium import places
from lib.compendium.errors import CompendiumError, did_you_mean
from lib.published.arithmetic import grim, interval, mean_interval, overlap

STUDIES = {
    "sculpture": "Sculpture (Khan, Janik and Gunes)",
    "lime_ekman": "LIME study (Gaya-Morey and others)",
    "terracotta": "Terracotta (Tian and others)",
    "art_emotion": "Art emotion (Charkhabi and Garrido)",
}
CHECK = ["study", "what", "where", "printed", "worked out", "fits"]
Measured = dict[str, tuple[float | None, str]]


@cache
def _published(study: str) -> dict:
    return yaml.safe_load((places.CLAIMS / f"{study}.yaml").read_text())


def table(study: str, name: str) -> pd.DataFrame:
    """Return a table of a paper as text with the digits as printed. Raises CompendiumError for a name the study's file has not."""
    known = _published(study)["tables"]
    if name not in known:
        raise CompendiumError(f"params/claims/{study}.yaml has no table {name!r}.{did_you_mean(name, known)} It has: {', '.join(known)}.")
    return pd.read_csv(io.StringIO(known[name]), dtype=str, keep_default_na=False)


def unchecked() -> pd.DataFrame:
    """Return the published numbers that nothing else in their paper bears on: study, number, where, why it cannot be checked."""
    rows = [{"study": title, "number": entry["what"], "where": entry["where"], "why it cannot be checked": entry["why"]}
            for study, title in STUDIES.items() for entry in _published(study)["unchecked"]]
    return pd.DataFrame(rows)


def examples(rounding: str) -> pd.DataFrame:
    """Return a few printed numbers and what they stand for, to be shown before anything is judged."""
    rows = []
    for printed, n in (("0.42", 12), ("0.5", 12), ("0.50", 12), ("0.216", 58)):
        low, high = interval(printed, rounding, 1)
        possible = " or ".join(f"{k} of {n}" for k in grim(printed, n, rounding)) or f"no: no count of {n} would be printed so"
        rows.append((printed, f"{float(low):.4f} to {float(high):.4f}", n, possible))
    return pd.DataFrame(rows, columns=["printed", "stands for", "pictures", "as a share of them"])


def mean_row(name: str, printed: str, parts: Iterable[str], rounding: str) -> dict:
    """Return a printed average of shares beside its cells: `average of`, `printed`, `low`, `high` (what they allow), `mean`, `fits`."""
    parts = list(parts)
    low, high = mean_interval([interval(text, rounding, 1) for text in parts])
    fits = overlap((low, high), interval(printed, rounding, 1))
    mean = sum(float(text) for text in parts) / len(parts)
    return {"average of": name, "printed": printed, "low": float(low), "high": float(high), "mean": mean, "fits": fits}


def marked(shown: pd.DataFrame) -> pd.DataFrame:
    """Return a table for people: its column `fits` as "yes" and "no"."""
    return shown.assign(fits=shown["fits"].map({True: "yes", False: "no"}))


def as_published(measured: dict[str, float]) -> Measured:
    """Return numbers worked out from the papers alone in the form the claims are judged by."""
    return {name: (value, "published") for name, value in measured.items()}
