"""Machinery: the errors of the compendium. Every message says what was received, what was expected and what to do."""

from difflib import get_close_matches


class CompendiumError(Exception):
    """Base of all errors meant for the reader: shown as one clear message, without a traceback, on the command line."""


class ParameterError(CompendiumError):
    """A parameter is unknown, of the wrong type or out of range."""


class CollectionError(CompendiumError):
    """A collection of pictures cannot be used as it is."""


class PictureError(CompendiumError):
    """One picture cannot be read; it becomes a row with a reason and never stops a run."""


class WeightsError(CompendiumError):
    """Network weights are missing, damaged or cannot be fetched."""


def did_you_mean(received: str, known) -> str:
    """Return " Did you mean 'x'?" for the known name closest to the received one, or an empty string."""
    close = get_close_matches(received, [str(name) for name in known], n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
