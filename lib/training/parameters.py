"""Training: the parameters of notebook 04. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.parameters import NotebookParameters

EXPRESSIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
BACKBONES = ("custom", "mobilenet_v2", "mobilenet", "efficientnet_b0", "efficientnet_b1", "vgg16", "efficientnet_b4", "efficientnet_b6")
WEIGHTS = ("imagenet", "atelier", "none")
MATERIALS = ("mixed", "skin", "marble", "limestone", "granite", "bronze", "gold", "terracotta", "wood", "clay", "sandstone")


class TrainingParameters(NotebookParameters):
    """Parameters of one network's training: what it is, what it learns from, and how.

    Which faces is notebook 02's matter and which labels they have notebook 03's. The defaults are the sculpture study's regime; what it
    did not use is off.
    """

    variant_key: ClassVar[str] = "backbone"

    backbone: Literal[BACKBONES] = Field("mobilenet", description="the network. The paper: MobileNet v1 was best of seven backbones")
    labels: Literal["labellers", "truth"] = Field(
        "labellers", description="what it learns: the labellers' multi-label target, as in the paper, or the planted truth, if any"
    )
    side: int = Field(224, ge=32, le=1024, description="pixels of the picture's side a network sees. Not stated in the paper")
    width: float = Field(1.0, gt=0, le=4, description="share of each convolution's published width, for small computers. The paper: 1")
    hidden: int = Field(256, ge=1, le=65_536, description="width of the head's first layer. Not stated in the paper")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the last layer. The paper names none")
    weights: str = Field(
        "imagenet", description="where training starts: `imagenet` (the paper), `atelier` (learned here from its people), `none`, "
        "or a file of this network"
    )
    rate: float = Field(1e-4, gt=0, le=1, description="Adam's learning rate. The paper: 1e-4")
    beta_1: float = Field(0.9, ge=0, lt=1, description="how long Adam remembers gradients. The paper: .9")
    beta_2: float = Field(0.99, ge=0, lt=1, description="how long Adam remembers their squares. The paper: .99")
    batch: int = Field(32, ge=1, le=65_536, description="pictures a step. Not stated in the paper")
    epochs: int = Field(100, ge=1, le=100_000, description="at most; early stopping ends it. Not stated in the paper")
    patience: int = Field(5, ge=1, le=100_000, description="epochs without a smaller validation loss until it stops. The paper: 5")
    threshold: float = Field(0.5, gt=0, lt=1, description="score from which an expression counts as said. Not stated in the paper")
    validation_share: float = Field(0.15, gt=0, lt=0.5, description="faces that decide when to stop. Not stated in the paper")
    test_share: float = Field(0.15, gt=0, lt=0.5, description="faces that are only tested. Not stated in the paper")
    fewest_faces: int = Field(60, ge=10, description="labelled faces below which nothing is trained. Not from the paper, which has 1,855")
    folds: int = Field(1, ge=1, le=50, description="1: one split, as in the paper; more: as many folds, each tested once")
    leave_out: Literal["", "collection", "tradition", "material"] = Field(
        "", description="test on each of these in turn and train on the others, instead of folds"
    )
    lacking: tuple[str, ...] = Field((), description="expressions so rare that a part of the split may lack them")
    seeds: int = Field(1, ge=1, le=100, description="trainings a fold, which differ in the order of training. Not stated in the paper")
    augmentation: Literal["none", "faces", "arriaga"] = Field(
        "none", description="small random turns, shifts, zooms, mirror images and (`faces`) changes of light. The paper used none"
    )
    class_weights: bool = Field(False, description="rare expressions count more: faces without over faces with. Not in the paper")
    loss: Literal["binary_crossentropy", "focal"] = Field("binary_crossentropy", description="the paper: binary cross-entropy")
    focal_gamma: float = Field(2.0, gt=0, le=10, description="how much the focal loss turns to hard faces (Lin et al. 2017: 2)")
    mixup: float = Field(0.0, ge=0, le=10, description="0: off. The α of MixUp (Zhang et al. 2018: .1 to .4). Not in the paper")
    cutmix: float = Field(0.0, ge=0, le=10, description="0: off. The α of CutMix (Yun et al. 2019: 1). Not in the paper")
    randaugment: float = Field(
        0.0, ge=0, le=1, description="0: off. Magnitude of RandAugment (Cubuk et al. 2020), by keras-cv, on TensorFlow only, slow. Not in "
        "the paper"
    )
    frozen_epochs: int = Field(0, ge=0, le=10_000, description="epochs in which only the head learns, before all does. Not in the paper")
    fine_factor: float = Field(0.1, gt=0, le=1, description="learning rate after the frozen epochs, as a share of `rate`. Not in the paper")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="mixed precision is faster on recent GPUs; the answers stay float32"
    )
    jit_compile: bool = Field(False, description="compile the step by XLA: faster on GPUs, half a minute to start on processors")
    all_devices: bool = Field(False, description="spread each batch over all GPUs (KERAS_BACKEND=jax); else the first is used")
    pretraining_faces: int = Field(20_000, ge=70, le=10_000_000, description="the atelier's faces behind the weights `atelier`")
    pretraining_material: Literal[MATERIALS] = Field("mixed", description="what they are made of; `mixed`: skin, stones, metal, wood")
    pretraining_epochs: int = Field(20, ge=1, le=100_000, description="epochs of that pretraining")
    pretraining_rate: float = Field(1e-3, gt=0, le=1, description="its first learning rate, which falls along half a cosine")
    pretraining_seed: int = Field(300_000, ge=0, le=2**31 - 1, description="another seed, other people to learn from")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the split, the fresh weights and the order of training")

    @field_validator("lacking")
    @classmethod
    def _known_expressions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in EXPRESSIONS:
                hint = did_you_mean(name, EXPRESSIONS)
                raise ValueError(f"unknown expression {name!r}; expected some of {', '.join(EXPRESSIONS)}.{hint}")
        return names

    @field_validator("weights")
    @classmethod
    def _known_weights(cls, name: str) -> str:
        if name not in WEIGHTS and not name.endswith((".weights.h5", ".keras")):
            raise ValueError(f"unknown weights {name!r}; expected {', '.join(WEIGHTS)} or a file ending in .weights.h5 or .keras."
                             f"{did_you_mean(name, WEIGHTS)}")  # fmt: skip
        return name

    @model_validator(mode="after")
    def _fit_together(self):
        if self.weights == "imagenet" and self.backbone == "custom":
            raise ValueError("there are no ImageNet weights for the custom network; give weights=none or weights=atelier")
        if self.loss == "focal" and (self.mixup or self.cutmix):
            raise ValueError("the focal loss is made for zeros and ones, and mixed pictures have shares; give loss=binary_crossentropy, or "
                             "mixup=0 and cutmix=0")  # fmt: skip
        if self.folds > 1 and self.leave_out:
            raise ValueError("folds and leave_out are two ways to split; give one of them")
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to learn from; give smaller ones")
        return self

    def input_files(self) -> list[Path]:
        """Return the user's files this notebook reads: a file of weights."""
        path = Path(self.weights).expanduser()
        return [path] if self.weights not in WEIGHTS and path.is_file() else []

    def check_inputs(self) -> None:
        """Raise CollectionError for a file of weights that is not there."""
        if self.weights not in WEIGHTS and not Path(self.weights).expanduser().is_file():
            raise CollectionError(f"Received weights={self.weights!r}, a file that does not exist; expected one from this folder or whole.")
