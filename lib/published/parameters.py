"""Published numbers: the parameters of notebook 10. Light imports only: a wrong value is refused before anything heavy is loaded."""

from typing import Literal

from pydantic import Field

from lib.compendium.parameters import NotebookParameters


class PublishedNumbersParameters(NotebookParameters):
    """Parameters of the audit: how a printed number is read."""

    rounding: Literal["nearest", "truncated", "either"] = Field(
        "nearest",
        description="how the authors shortened their numbers: rounded to the nearest, cut off, or one of the two. Not stated in any of the "
        "four papers; `nearest` is what their software does unless told otherwise, `either` gives a paper every benefit of the doubt",
    )
    largest_test_set: int = Field(
        500, ge=10, le=5000, description="up to which size test sets are tried where a paper states percentages but no number of pictures"
    )
