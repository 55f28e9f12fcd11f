"""Published numbers: all four studies together: every check in one table, the verdicts on the claims, a summary."""

import pandas as pd

from lib.compendium import claims
from lib.published import art_emotion, lime_ekman, sculpture, terracotta
from lib.published.tables import STUDIES

AUDITS = {"sculpture": sculpture, "lime_ekman": lime_ekman, "terracotta": terracotta, "art_emotion": art_emotion}


def checks(rounding: str) -> pd.DataFrame:
    """Return every single check of the four studies: study, what, where, printed, worked out, fits."""
    return pd.concat([audit.checks(rounding) for audit in AUDITS.values()], ignore_index=True)


def verdicts(rounding: str) -> dict[str, pd.DataFrame]:
    """Return study -> its claims with their verdicts ("paper and this run"), judged from the published numbers alone."""
    return {study: claims.compare(study, audit.measured(rounding)) for study, audit in AUDITS.items()}


def summary(judged: dict[str, pd.DataFrame], checked: pd.DataFrame) -> str:
    """Say how many numbers and claims of each study add up."""
    lines = []
    for study, rows in judged.items():
        single = checked[checked["study"] == study]
        wrong = int((rows["verdict"] == "paper inconsistent").sum())
        lines.append(f"* **{STUDIES[study]}**: {int(single['fits'].sum())} of {len(single)} single checks hold; of {len(rows)} claims "
                     f"{len(rows) - wrong} hold and {wrong} contradict{'s' * (wrong == 1)} other numbers of the paper.")
    return "\n".join(lines)


def together(judged: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the claims of all studies as one table."""
    return pd.concat(judged.values(), ignore_index=True)
