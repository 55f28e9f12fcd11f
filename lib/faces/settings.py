"""Faces: the parameters of the detection ladder. Light imports only, so that a wrong value is refused before anything heavy is loaded."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lib.compendium.errors import ParameterError, did_you_mean

FIRST = ("haar", "mtcnn")  # every picture
RETRIES = ("scale", "zoom", "rotate", "crop")  # only while there is no face


class LadderSettings(BaseModel):
    """The ladder's parameters. The paper names the rungs and states none of the values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rungs: tuple[str, ...] = Field(FIRST + RETRIES, description="rungs to use, in this order (paper: haar, mtcnn, zoom, rotate, crop)")
    longest_side: int = Field(1280, ge=64, le=8192, description="pixels; larger pictures are first shrunk to this, by area averaging: "
                              "bounds time and memory. Not stated in the paper")
    haar_scale_factor: float = Field(1.1, gt=1, le=2, description="step of Haar's sizes. Not stated in the paper: OpenCV's default")
    haar_neighbours: int = Field(5, ge=0, le=50, description="overlapping Haar hits that make a face. Not stated in the paper")
    minimum_size: int = Field(24, ge=1, description="pixels of the original: smaller boxes are rejected. Not stated in the paper: Haar's "
                              "window")
    minimum_fraction: float = Field(0.02, ge=0, lt=1, description="of the picture's longest side: smaller boxes are rejected. Not stated "
                                    "in the paper")
    minimum_confidence: float = Field(0.8, gt=0, lt=1, description="of MTCNN's last network. Not stated in the paper: the package's "
                                      "default")
    proposal_confidences: tuple[float, float] = Field((0.6, 0.7), description="of MTCNN's first two networks. Not stated in the paper: "
                                                      "the package's defaults")
    minimum_face: float = Field(20, ge=12, description="pixels of the working picture at which MTCNN's pyramid starts. Not stated in the "
                                "paper: the package's default")
    scale_factors: tuple[float, ...] = Field((0.7071, 0.5946, 0.5, 0.4204, 0.3536, 0.2973, 0.25, 0.2102, 0.1768, 1.4142, 2.0),
                                              description="sizes of the picture tried, each plain and mirrored: quarter octaves "
                                              "downwards, for MTCNN's own pyramid has half octaves; enlargements beyond `longest_side` "
                                              "are skipped. Not stated in the paper")
    zoom_fractions: tuple[float, ...] = Field((0.75, 0.5), description="central part of each side, brought to `retry_sides`. Not stated "
                                              "in the paper")
    rotations: tuple[float, ...] = Field((-30, 30, -60, 60, -90, 90), description="degrees, positive counter-clockwise. MTCNN itself "
                                         "bears about 20. Not stated in the paper")
    crop_fractions: tuple[float, ...] = Field((0.8, 0.6, 0.4), description="central part of each side, at the working picture's own "
                                              "scale. Not stated in the paper")
    retry_sides: tuple[int, ...] = Field((640, 320), description="longest sides in pixels at which zoomed and rotated pictures are looked "
                                         "at: large faces are found when they are small. Not stated in the paper")
    witness_sizes: tuple[int, ...] = Field((48, 68, 96), min_length=1, description="pixels: sizes of the face in the second looks, half "
                                           "octaves from the window of MTCNN's last network; each plain and mirrored. Not in the paper")
    witness_overlap: float = Field(0.4, gt=0, lt=1, description="intersection over union that makes a second look agree")
    witnesses_haar: int = Field(4, ge=0, description="second looks that must confirm a Haar box: a majority. Not in the paper")
    witnesses_mtcnn: int = Field(1, ge=0, description="second looks that must confirm an MTCNN box of the picture as it is")
    witnesses_retry: int = Field(4, ge=0, description="looks (second looks and other views of the rung) that must confirm a box of "
                                 "a retry rung. Not in the paper")
    same_overlap: float = Field(0.4, gt=0, lt=1, description="intersection over union from which two boxes are one face")
    same_containment: float = Field(0.7, gt=0, le=1, description="part of the smaller box inside the larger that makes them one face")
    threads: int = Field(1, ge=0, description="processor threads of TensorFlow: one, since pictures are looked at side by side, and so "
                         "that results do not depend on the number of cores; 0: its own choice")

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, rungs: tuple[str, ...]) -> tuple[str, ...]:
        known = FIRST + RETRIES
        for rung in rungs:
            if rung not in known:
                raise ValueError(f"{rung!r} is no rung; expected some of {', '.join(known)}.{did_you_mean(rung, known)}")
        return rungs


def settings_from(values: dict | LadderSettings | None) -> LadderSettings:
    """Return checked settings from a dict of some of the fields; ParameterError names the field and what was expected."""
    if isinstance(values, LadderSettings):
        return values
    values = dict(values or {})
    unknown = [name for name in values if name not in LadderSettings.model_fields]
    if unknown:
        raise ParameterError(f"Received the ladder setting {unknown[0]!r}, expected one of {', '.join(LadderSettings.model_fields)}."
                             f"{did_you_mean(unknown[0], LadderSettings.model_fields)}")
    try:
        return LadderSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise ParameterError(f"The ladder's setting {where} = {first['input']!r} is not accepted: {said}") from error
