"""Training: the parameters of notebook 05. Light imports only: a wrong value is refused before anything heavy is loaded."""

from typing import Literal

from pydantic import Field

from lib.compendium.parameters import NotebookParameters


class MetricsParameters(NotebookParameters):
    """Parameters of the metrics: where a score becomes a label, and how intervals are drawn."""

    thresholds: Literal["fixed", "tuned"] = Field(
        "fixed", description="one `threshold` for all, or one an expression tuned on the validation part. Not stated in the paper"
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="score from which an expression counts as said. Not stated in the paper")
    bins: int = Field(10, ge=2, le=100, description="of the calibration curves. Not in the paper")
    bootstrap: int = Field(1000, ge=50, le=100_000, description="draws of whole objects behind each 95 % interval. Not in the paper")
    smallest_group: int = Field(15, ge=2, description="test faces a collection or material needs before it is shown. Not in the paper")
    seed: int = Field(0, ge=0, description="of the bootstrap that draws the intervals")
