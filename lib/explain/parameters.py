"""Explanations: the parameters of notebook 06. Light imports only: a wrong value is refused before anything heavy is loaded."""

from typing import Literal

from pydantic import Field

from lib.compendium.parameters import NotebookParameters


class GradcamParameters(NotebookParameters):
    """Parameters of Grad-CAM, of what its maps are compared with, and of the checks whether they can be believed.

    Which networks there are is notebook 04's matter: every trained variant is measured.
    """

    network: str = Field(
        "", description="the variant whose maps are checked; empty: the best on the validation faces. Places are measured for all of them"
    )
    shown: int = Field(2, ge=1, le=12, description="faces shown of each expression, drawn by lot from those told rightly. The paper's "
                       "Fig. 7 shows a few")  # fmt: skip
    measured: int = Field(2000, ge=7, le=100_000, description="test faces measured at most, drawn by lot. Not from the paper")
    quantile: float = Field(
        0.5, ge=0, lt=1, description="of all places that an Action Unit moved, those it moved further than this share of them count as "
        "planted; 0: all. Atelier only; not from the paper"
    )
    checked: int = Field(
        64, ge=1, le=10_000, description="faces on which the two checks below are made; each asks the network many times. Not from the "
        "paper"
    )
    randomisation_steps: int = Field(
        8, ge=1, le=1000, description="how often maps are compared while the network's layers are destroyed one by one"
    )
    deletion_steps: int = Field(16, ge=1, le=1000, description="how often the network is asked while pixels are taken away")
    fill: Literal["blur", "mean"] = Field("blur", description="what is left where pixels were taken away: the blurred picture or its mean")
    bootstrap: int = Field(1000, ge=50, le=100_000, description="draws of whole objects behind each 95 % interval. Not from the paper")
    seed: int = Field(0, ge=0, description="of the lots, the destroyed layers, the random orders and the bootstrap")
