"""Explanations: the parameters of notebook 07. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.parameters import NotebookParameters

WAYS = ("none", "changes", "mixup", "cutmix", "gan", "rendered")
FOLDERS = ("raf_db", "warriors", "postured", "han")
WIDTHS = (1.0, 0.5, 0.25, 0.125)
LEAST_SOURCES = 10  # below, a strict split by 7:1:2 leaves a part without a warrior


class TerracottaParameters(NotebookParameters):
    """Parameters of the terracotta study: its pictures and annotators, GANimation, the classifiers, the splits, and what is compared.

    The defaults are the study's. With smaller ones everything runs on a laptop.
    """

    raf_db: str = Field("", description="folder of RAF-DB, as published. Without it the atelier's living people stand in")
    warriors: str = Field("", description="folder of your pictures of warriors (TW58). Without it the atelier carves some")
    postured: str = Field("", description="folder of warriors in folders named by posture")
    han: str = Field("", description="folder of warriors of the Han dynasty")
    votes: str = Field("", description="your annotators' answers about `warriors`: a CSV of file, expression, annotator")
    living: int = Field(2500, ge=28, le=1_000_000, description="living faces of the atelier to learn from, where there is no RAF-DB")
    living_seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people")
    tested: int = Field(350, ge=14, le=100_000, description="full-strength living faces of people nobody learned from")
    tested_seed: int = Field(70_000, ge=0, le=2**31 - 1, description="their seed; nothing was tuned on seeds from 70,000 on")
    each: int = Field(0, ge=0, le=85, description="warriors of each set, for short runs; 0: as many as published, 58, 85 and 43")
    warriors_seed: int = Field(0, ge=0, le=2**31 - 1, description="another seed, other warriors of the atelier")
    annotators: int = Field(6, ge=2, le=100, description="people who look at each warrior. The paper: 6")
    doubt: float = Field(0.6, ge=0, le=1, description="how much a simulated annotator sees of their own. Not stated in the paper")
    gan: Literal["published", "small"] = Field("published", description="GANimation as published, or a pair for two processor cores")
    gan_changes: dict = Field({}, description="other settings of it by name (`lib.training.ganimation.Settings` lists them)")
    reference: Literal["strongest", "mean"] = Field(
        "strongest", description="whose Action Units an expression is asked with: its clearest face, as the paper advises, or the mean"
    )
    columns: int = Field(5, ge=1, le=20, description="steps from rest to the reference. Not stated in the paper; Figure 7 seems to show 5")
    dropped: int = Field(1, ge=0, le=19, description="last columns left out, where a warrior becomes too human (section 3.3)")
    heads: int = Field(10, ge=2, le=10_000, description="unknown heads on which GANimation is examined. Not in the paper")
    heads_seed: int = Field(930_000, ge=0, le=2**31 - 1, description="of those heads; nothing was tuned on this seed")
    wishes: int = Field(1, ge=1, le=100, description="times each expression is asked of each head, differently posed each time")
    free_wishes: int = Field(5, ge=0, le=1000, description="further sets of Action Units asked of each head, drawn one by one")
    judge_faces: int = Field(2500, ge=100, le=1_000_000, description="faces behind the Action Unit models that judge generated faces")
    side: int = Field(224, ge=33, le=448, description="pixels of a classifier's picture; ARM learns little up to 64, where it sees one "
                      "number of each face. The paper: 224")
    width: float = Field(1.0, description="share of each layer's filters of the classifiers: 1 (published), .5, .25 or .125")
    epochs: int = Field(70, ge=1, le=10_000, description="of each classifier. Not stated in the paper; from ARM's code")
    rate: float = Field(1e-4, gt=0, le=1, description="learning rate of Adam (section 3.4)")
    schedule: Literal["decay", "falling"] = Field("decay", description="of the rate: times .9 an epoch, or along half a cosine")
    batch: int = Field(32, ge=1, le=65_536, description="pictures a step (section 3.4)")
    mode: Literal["as_coded", "batch_independent"] = Field(
        "as_coded", description="what ARM adds at test time: its batch's mean, as its code does, or the mean of training"
    )
    start: Literal["none", "living"] = Field(
        "none", description="where ARM, and all classifiers of warriors, begin: from nothing (section 2.1.2), or with the trunk of a "
        "ResNet-18 trained on living faces, in the place of ImageNet's"
    )
    folds: int = Field(5, ge=2, le=20, description="parts into which all generated pictures fall to measure the leak. Not in the paper")
    ways: tuple[str, ...] = Field(WAYS, description="of making more of few warriors, compared at equal steps. Not in the paper")
    steps: int = Field(2000, ge=1, le=10_000_000, description="batches each of them learns from")
    similar: int = Field(60, ge=2, le=10_000, description="living faces whose similarity is compared with the warriors'. The paper: 60")
    bootstrap: int = Field(500, ge=20, le=100_000, description="draws of whole sources behind each interval. Not in the paper")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of trainings, splits, annotators and choices")

    @field_validator("ways")
    @classmethod
    def _known_ways(cls, ways: tuple[str, ...]) -> tuple[str, ...]:
        for way in ways:
            if way not in WAYS:
                raise ValueError(f"unknown way {way!r}; expected some of {', '.join(WAYS)}.{did_you_mean(way, WAYS)}")
        if len(set(ways)) < len(ways):
            raise ValueError(f"received the ways {', '.join(ways)}; expected each once")
        return ways

    @field_validator("width")
    @classmethod
    def _offered_width(cls, width: float) -> float:
        if width not in WIDTHS:
            raise ValueError(f"received a width of {width:g}; expected one of {', '.join(map(str, WIDTHS))}")
        return width

    @model_validator(mode="after")
    def _fits_together(self):
        if 0 < self.each < LEAST_SOURCES:
            raise ValueError(f"received {self.each} warriors of each set; expected at least {LEAST_SOURCES}, so that every part of a "
                             "strict split has one, or 0 for all")  # fmt: skip
        if self.dropped >= self.columns:
            raise ValueError(f"received {self.dropped} of {self.columns} columns to leave out; expected fewer than there are")
        if self.votes and not self.warriors:
            raise ValueError("received votes without `warriors`; expected the folder of pictures they are about")
        return self

    def folders(self) -> dict[str, str]:
        """Return the user's folders that were given, by parameter."""
        return {name: getattr(self, name) for name in FOLDERS if getattr(self, name)}

    def input_files(self) -> list[Path]:
        """Return the user's files this notebook reads: pictures of warriors and votes. RAF-DB is known by the digest of its listing."""
        roots = [Path(folder).expanduser() for name, folder in self.folders().items() if name != "raf_db"]
        found = [path for root in roots if root.is_dir() for path in root.rglob("*") if path.is_file()]
        return sorted([*found, *([Path(self.votes).expanduser()] if self.votes else [])])

    def check_inputs(self) -> None:
        """Raise CollectionError for a folder or file that is not there."""
        for name, folder in self.folders().items():
            if not Path(folder).expanduser().is_dir():
                raise CollectionError(f"Received {name}={folder!r}, which is no folder; expected one that exists.")
        if self.votes and not Path(self.votes).expanduser().is_file():
            raise CollectionError(f"Received votes={self.votes!r}, which is no file; expected a CSV of file, expression, annotator.")
