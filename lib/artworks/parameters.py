"""Artworks: the parameters of notebook 09. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.parameters import NotebookParameters

GANS = ("baseline", "complex", "dcgan")
WEIGHTS = ("imagenet", "atelier", "none")


class ArtEmotionParameters(NotebookParameters):
    """Parameters of the art-emotion study: artworks and tags, person filter, features, classifiers, generation, explanations.

    The defaults are the study's where it states them. With smaller ones everything runs on a laptop.
    """

    folder: str = Field("", description="folder of your artworks with a table of tags. Without one the atelier's paintings stand in")
    wikiart: str = Field("", description="folder of WikiArt-Emotions: its table, and the pictures you fetched")
    portraits: int = Field(480, ge=16, le=100_000, description="paintings of the atelier with a person. The paper: nearly 500")
    others: int = Field(240, ge=0, le=100_000, description="paintings of the atelier without: landscapes, still lifes")
    painting_side: int = Field(128, ge=64, le=512, description="pixels of a painting's side. Atelier only")
    reliability: float = Field(0.75, ge=0.25, le=1, description="how often each cue agrees with the label where both tell. Atelier only")
    misled: Literal["partner", "any"] = Field("partner", description="what a cue that misleads is taken for: always the same group, or any")
    person_filter: Literal["yolo", "faces"] = Field("yolo", description="who finds persons. The paper: YOLO; `faces` always works")
    yolo_weights: str = Field("", description="a file of yours for YOLOv8; without one the preset is fetched, which needs a network")
    brightness: Literal["rms", "hsp"] = Field("rms", description="weights of the colours in perceived brightness. Not stated in the paper")
    texture_maps: int = Field(6, ge=2, le=32, description="textures from soft to hard. Their number is not stated in the paper")
    texture_measure: Literal["autocorrelation", "pixels"] = Field(
        "autocorrelation", description="of what structural similarity is taken. The paper: `pixels`, which says little"
    )
    distances: Literal["closest", "all"] = Field("closest", description="to which palettes; the paper: the closest, all others set far")
    folds: int = Field(5, ge=2, le=50, description="parts of the artworks, each tested once. The paper has one split, of unknown sizes")
    weights: str = Field(
        "imagenet", description="where VGG16's trunk comes from: `imagenet` (the paper, needs a network once), `atelier` (learned here "
        "from its people), `none`, or a file"
    )
    side: int = Field(224, ge=32, le=1024, description="pixels of the pictures VGG16 sees. Not stated in the paper")
    width: float = Field(1.0, gt=0, le=1, description="share of each layer's published filters, for small computers. The paper: 1")
    epochs: int = Field(50, ge=1, le=100_000, description="of the dense layers. The paper: 50 (Table 1)")
    batch: int = Field(32, ge=1, le=65_536, description="pictures a step. Not stated in the paper")
    rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate. Not stated in the paper")
    decay: float = Field(0.0, ge=0, le=10, description="weight decay of the dense layers. The paper names none")
    hidden: int = Field(0, ge=0, le=4096, description="width of a layer before the softmax of CV+FC and the concatenated network; 0: none")
    trunk_hidden: int = Field(0, ge=0, le=4096, description="width of a layer before the softmax of VGG16+TL. The paper: none, 0")
    turn: float = Field(8.0, ge=0, le=45, description="degrees by which copies of portraits are rotated. Not stated in the paper")
    prepare: Literal["grey", "colour"] = Field(
        "grey", description="faces as VGG16+TLv2 sees them: levelled grey, its surroundings faded out, or as they are (the paper)"
    )
    fine: Literal["none", "block5", "block4", "all"] = Field("none", description="blocks of VGG16 that learn too. The paper: none")
    fine_epochs: int = Field(10, ge=1, le=10_000, description="epochs in which those blocks learn too")
    fine_rate: float = Field(1e-3, gt=0, le=1, description="learning rate of that")
    combine: Literal["product", "mean"] = Field("product", description="of the ensemble's probabilities. Not stated in the paper")
    shallnet_width: float = Field(1.0, gt=0, le=1, description="share of ShallNet's filters. The paper: 1")
    shallnet_epochs: int = Field(50, ge=1, le=100_000, description="of ShallNet. Not stated in the paper")
    shallnet_folds: int = Field(1, ge=1, le=50, description="folds it is trained for, as it is dear")
    pretraining_faces: int = Field(20_000, ge=70, le=10_000_000, description="the atelier's faces behind the weights `atelier`")
    pretraining_epochs: int = Field(20, ge=1, le=100_000, description="epochs of that pretraining")
    pretraining_rate: float = Field(1e-3, gt=0, le=1, description="its first learning rate")
    gans: tuple[str, ...] = Field(GANS, description="which of the paper's three pairs")
    gan_schedule: Literal["published", "demo"] = Field(
        "published", description="how they are trained: as in DCGAN's code, or in minutes, with narrower pairs at a faster rate"
    )
    remedy: bool = Field(False, description="DCGAN with differentiable augmentation, for few pictures. The paper: no")
    without_remedy: bool = Field(False, description="train DCGAN once more without it, to see what it does")
    gan_side: int = Field(64, ge=16, le=256, description="pixels of a generated portrait; a multiple of 16. Not stated in the paper")
    gan_width: int = Field(0, ge=0, le=512, description="filters next to the picture; 0: the schedule's own")
    gan_epochs: int = Field(0, ge=0, le=100_000, description="epochs of each pair; 0: the schedule's own")
    judged: int = Field(100, ge=2, le=100_000, description="generated portraits in which a face is sought")
    certain: float = Field(0.95, gt=0.25, lt=1, description="probability a class visualisation must reach")
    ascent: int = Field(400, ge=60, le=100_000, description="steps it may take")
    units: int = Field(2, ge=1, le=32, description="units of each class on the unit sheets")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of paintings, folds, trainings and pictures drawn")

    @field_validator("gans")
    @classmethod
    def _known_gans(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in GANS:
                raise ValueError(f"unknown pair {name!r}; expected some of {', '.join(GANS)}.{did_you_mean(name, GANS)}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"received the pairs {', '.join(names) or 'none'}; expected one or more, each once")
        return names

    @field_validator("weights")
    @classmethod
    def _known_weights(cls, name: str) -> str:
        if name not in WEIGHTS and not name.endswith((".weights.h5", ".keras")):
            raise ValueError(f"unknown weights {name!r}; expected {', '.join(WEIGHTS)} or a file ending in .weights.h5 or .keras."
                             f"{did_you_mean(name, WEIGHTS)}")  # fmt: skip
        return name

    @model_validator(mode="after")
    def _fits_together(self):
        if self.folder and self.wikiart:
            raise ValueError("folder and wikiart are two sources of artworks; give one of them")
        if self.weights == "imagenet" and self.width != 1:
            raise ValueError(f"received width {self.width:g} with ImageNet's weights, which exist for width 1 only; give weights=atelier "
                             "or weights=none")  # fmt: skip
        if self.gan_side % 16:
            raise ValueError(f"received gan_side {self.gan_side}; expected a multiple of 16, as four layers halve it")
        if self.without_remedy and ("dcgan" not in self.gans or not self.remedy):
            raise ValueError("without_remedy compares DCGAN with and without the remedy; give dcgan among the pairs and remedy=true")
        if self.shallnet_folds > self.folds:
            raise ValueError(f"received {self.shallnet_folds} folds for ShallNet and {self.folds} in all; expected at most as many")
        return self

    def input_files(self) -> list[Path]:
        """Return the user's files this notebook reads: artworks, tables of tags, weights."""
        roots = [Path(name).expanduser() for name in (self.folder, self.wikiart) if name]
        files = [file for root in roots for file in sorted(root.rglob("*")) if file.is_file()]
        named = [name for name in (self.weights, self.yolo_weights) if name and name not in WEIGHTS]
        return files + [path for path in map(_path, named) if path.is_file()]

    def check_inputs(self) -> None:
        """Raise CollectionError for a folder or a file that is not there."""
        for name in ("folder", "wikiart"):
            if (given := getattr(self, name)) and not _path(given).is_dir():
                raise CollectionError(f"Received {name}={given!r}, which is no folder; expected one that exists.")
        for name in ("weights", "yolo_weights"):
            if (given := getattr(self, name)) and given not in WEIGHTS and not _path(given).is_file():
                raise CollectionError(f"Received {name}={given!r}, a file that does not exist; expected one of this machine.")


def _path(name: str) -> Path:
    return Path(name).expanduser()
