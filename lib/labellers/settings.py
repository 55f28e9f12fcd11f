"""Labellers: settings of OpenFace and of the rules. Light imports only: a wrong value is refused before anything heavy is loaded."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.compendium.errors import ParameterError, did_you_mean

VARIANTS = ("match", "hard", "soft", "threshold")
STRONGEST = 5.0  # intensities run from 0 to this on OpenFace's scale
PROGRAM = "FaceLandmarkImg"
# OpenFace fits its landmarks into every box it is given and writes a row whatever came of it: its confidence says whether that is a face.
SURE = 0.725  # `validation_boundary` of its LandmarkDetectorParameters.cpp, by which its film tools set `success`


class RuleSettings(BaseModel):
    """The parameters of the rules. The sculpture study states none of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal[VARIANTS] = Field("match", description="variant, see `evidence`. Not stated in the paper: match is the one that weighs "
                                    "units against an expression too, and the only one to tell fear and surprise apart well")
    table: str = Field("lime_ekman", description="which published table of units (lib.expressions)")
    combine: Literal["both", "presence", "intensity"] = Field("both", description="what is used of the units (paper: both)")
    threshold: float = Field(1.0, ge=0, le=STRONGEST, description="intensity from which a unit counts as present where presence is not "
                             "known, and in the threshold variant always. Not stated in the paper: the weakest trace FACS scores")
    share: float = Field(0.5, gt=0, le=1, description="threshold variant: part of a rule's units that must be present. Not stated in "
                         "the paper")
    known: float = Field(0.0, ge=0, lt=1, description="part of each rule's units of which more must be known, or the face has no answer")
    floor: float = Field(0.55, gt=0, lt=1, description="hard and threshold variants: what a rule that fires is worth at least; above .5 "
                         "it outweighs neutral however weak the units are. Not stated in the paper")
    full: float = Field(4.0, gt=0, le=STRONGEST, description="match: intensity that counts as fully shown; OpenFace hardly ever says 5. "
                        "Not stated in the paper")
    sharpness: float = Field(4.0, gt=0, le=50, description="power that turns evidence into a distribution. Not stated in the paper: 4 gave "
                             "about the smallest log loss on planted units with noise of standard deviation 1 to 1.5")

    @field_validator("table")
    @classmethod
    def _known_table(cls, table: str) -> str:
        from lib.expressions import ACTION_UNIT_TABLES

        if table not in ACTION_UNIT_TABLES:
            raise ValueError(f"it is no table; expected one of {', '.join(ACTION_UNIT_TABLES)}.{did_you_mean(table, ACTION_UNIT_TABLES)}")
        return table


class OpenFaceSettings(RuleSettings):
    """The parameters of OpenFace as a labeller, those of the rules included. The sculpture study states none of the values."""

    known: float = Field(0.5, ge=0, lt=1, description="part of each rule's units of which more must be in a table: raised cheeks alone "
                         "would pass for a smile where nobody wrote down the lips. Not stated in the paper")
    executable: str = Field("", description="FaceLandmarkImg, by name or path, or the folder it is in; empty: looked for on the PATH")
    output_folder: str = Field("", description="a finished folder of OpenFace's tables; where given, nothing is run")
    scales: tuple[Annotated[float, Field(gt=0, le=16)], ...] = Field((1.0, 2.0, 0.5, 3.0), min_length=1,
        description="sizes at which a picture is shown to OpenFace, one after the other, until all its faces are found (paper: different "
        "scales). Not stated in the paper")
    longest_side: int = Field(4096, ge=64, description="pixels; enlargements beyond this are skipped. Not stated in the paper")
    minimum_confidence: float = Field(SURE, ge=0, le=1, description="OpenFace's confidence from which a face counts as detected. Not "
                                      "stated in the paper: OpenFace's own boundary in films; OpenDBM asks for .8, 0 keeps all")
    minimum_overlap: float = Field(0.3, gt=0, le=1, description="intersection over union from which a row of OpenFace's is our face. Not "
                                   "stated in the paper: low, for turned faces have narrower landmarks")
    intensity_top: float = Field(5.0, gt=0, description="intensity that the tables write for the strongest unit: 5 in OpenFace")
    extra: tuple[str, ...] = Field((), description="further options of FaceLandmarkImg, such as -wild")
    batch: int = Field(32, ge=1, description="pictures a call of FaceLandmarkImg")
    timeout: float = Field(60.0, gt=0, description="seconds a picture after which a call is given up")
    work: str = Field("", description="folder for temporary copies and for what is finished already, so that a killed run goes on; empty: "
                      "the system's temporary folder, and nothing is kept")


def checked(values, kind=RuleSettings):
    """Return settings of a kind from a dict of some of its fields, the others at their defaults. ParameterError names the culprit."""
    if isinstance(values, kind):
        return values
    values = dict(values or {})
    for name in values:
        if name not in kind.model_fields:
            raise ParameterError(f"Received the setting {name!r}; expected some of {', '.join(kind.model_fields)}."
                                 f"{did_you_mean(str(name), kind.model_fields)}")
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = did_you_mean(str(first["input"]), VARIANTS) if where == "rule" else ""
        said = first["msg"].removeprefix("Value error, ")
        raise ParameterError(f"The setting {where} = {first['input']!r} is not accepted: {said}.{hint}") from None


def program(executable: str) -> Path | None:
    """Return the real path of FaceLandmarkImg, None where it is not: OpenFace looks for its models beside it, not beside a link to it.

    executable: name, path or the folder it is in; "" looks on the PATH.
    """
    name = str(Path(executable).expanduser()) if executable else PROGRAM
    if Path(name).is_dir():
        name = next((str(place) for place in (Path(name) / PROGRAM, Path(name) / "bin" / PROGRAM) if place.is_file()), name)
    found = shutil.which(name)
    return Path(found).resolve() if found else None
