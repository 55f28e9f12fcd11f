"""Faces: the parameters of notebook 02. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pydantic import Field, field_validator

from lib.compendium.parameters import NotebookParameters
from lib.faces.settings import LadderSettings, settings_from

SHOWN = (  # the ladder's most used settings, one default, range and description for both
    "rungs", "longest_side", "minimum_confidence", "minimum_size", "minimum_fraction", "witnesses_haar", "witnesses_mtcnn",
    "witnesses_retry",
)  # fmt: skip
FIELDS = LadderSettings.model_fields


class FaceDetectionParameters(NotebookParameters):
    """Parameters of face detection: the ladder's most used settings by name, the others in `ladder`.

    Which pictures is the census's matter: notebook 02 looks at what notebook 01 counted.
    """

    rungs: tuple[str, ...] = FIELDS["rungs"]
    longest_side: int = FIELDS["longest_side"]
    minimum_confidence: float = FIELDS["minimum_confidence"]
    minimum_size: int = FIELDS["minimum_size"]
    minimum_fraction: float = FIELDS["minimum_fraction"]
    witnesses_haar: int = FIELDS["witnesses_haar"]
    witnesses_mtcnn: int = FIELDS["witnesses_mtcnn"]
    witnesses_retry: int = FIELDS["witnesses_retry"]
    ladder: dict = Field({}, description="further settings of the ladder by name (`lib.faces.settings.LadderSettings` lists them)")
    hit_overlap: float = Field(
        0.4, gt=0, le=1, description="intersection over union from which a found box meets a hand-drawn one. Not stated in the paper; "
        "hand-drawn boxes run from ear to ear and hairline to chin, detectors' are tighter, so one half would be too strict"
    )
    crop_size: int = Field(
        224, ge=32, le=1024, description="side of the aligned crops in pixels. Not stated in the paper; its networks' usual input"
    )
    landmarks: bool = Field(True, description="find dlib's 68 landmarks and align by them (weights for research use); else by MTCNN's eyes")
    realism_share: float = Field(
        1.0, ge=0, le=1, description="share of the pictures by which the atelier's realism is measured (synthetic collections only; 0: "
        "not at all). Not from the paper"
    )
    seed: int = Field(0, ge=0, description="of the bootstrap that draws the intervals")

    @field_validator("ladder")
    @classmethod
    def _known(cls, value: dict) -> dict:
        settings_from(value)
        return value

    @field_validator("rungs")
    @classmethod
    def _known_rungs(cls, rungs: tuple[str, ...]) -> tuple[str, ...]:
        settings_from({"rungs": rungs})
        return rungs

    def ladder_settings(self) -> dict:
        """Return the settings of the ladder as plain values."""
        values = {name: getattr(self, name) for name in SHOWN} | self.ladder
        return settings_from(values).model_dump(mode="json")
