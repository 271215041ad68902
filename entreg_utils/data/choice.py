"""``Data``: which images a run sees; the group of its settings that this room reads and checks."""

import inspect
from dataclasses import dataclass
from typing import Literal

from entreg_utils import data, names
from entreg_utils.data.photos import LARGEST_SIDE, TRAIN_SIZE
from entreg_utils.data.world import KNOBS, SPLITS, World
from entreg_utils.fields import Door, settle

SEVERAL_CLASSES = ("shoal", "voc")  # data sets whose images show several classes
_DRAWN = ("num_train", *(knob for knob in KNOBS if knob != "seed"), "world_seed")
_PHOTOGRAPHS = ("root", "resize", "crop", "classes")


@dataclass(frozen=True)
class Data:
    """Which images are shown: a drawn world with its knobs, or photographs.

    ValueError for an unknown name, a number out of its range, or a field of the one kind of images
    that is given for the other.
    """

    dataset: Door = "toy"
    """a known name, folder:PATH or package.module:function"""
    root: str = ""
    """folder of the data sets; it does not belong to what names a run"""
    num_train: int = SPLITS["train"]
    """training images of the drawn world"""
    part: float = World.part
    """reliability of the mark, 0..1"""
    body: float = World.body
    """reliability of the body's colours, 0..1"""
    context: float = World.context
    """reliability of the habitat, 0..1"""
    part_visibility: float = World.part_visibility
    """share of images in which the mark is painted, 0..1"""
    num_classes: int = World.num_classes
    """species of the drawn world, 2..10"""
    image_size: int = World.image_size
    """side of the drawn world's images in pixels, 32..128"""
    world_seed: int = World.seed
    """of the drawn world"""
    resize: int = TRAIN_SIZE
    """side to which photographs are squashed, 8..2048 pixels"""
    crop: int = data.FRAME
    """side of the random crops on which photographs train"""
    classes: int = 0
    """the first so many classes of the photographs; 0 is all"""
    lists: Literal["official", "evaluation"] = "official"
    """split of cub: its own, or that of the evaluation code"""

    def __post_init__(self):
        settle(self)
        if not (names.is_own(self.dataset) or self.is_folder or self.dataset in data.DATASETS):
            raise ValueError(
                f"unknown dataset {self.dataset!r}: known are {', '.join(data.DATASETS)}, "
                "folder:PATH and package.module:function"
            )
        if self.is_drawn:
            other, why = _PHOTOGRAPHS, "photographs: the drawn world has image_size and num_classes"
        else:
            other, why = _DRAWN, "the drawn world: photographs are what they are"
        for name in other:
            if getattr(self, name) != getattr(Data, name):
                raise ValueError(f"{name} belongs to {why}: leave it out")
        if self.lists != Data.lists and self.dataset != "cub":
            raise ValueError("lists is a choice that only cub has: leave it out")
        if self.num_train < 1:
            raise ValueError(f"num_train={self.num_train}: give a whole number of at least 1")
        if self.is_drawn:
            World(**self.knobs)  # refuses knobs out of range
        if self.several and self.classes:
            raise ValueError(f"{self.dataset} has a column for each class: leave classes out")
        if self.classes and self.classes < 2:
            raise ValueError(f"classes={self.classes}: give 0 for all, or at least 2")
        if not 8 <= self.resize <= LARGEST_SIDE:
            raise ValueError(f"resize={self.resize} is outside 8..{LARGEST_SIDE} pixels")
        if not 1 <= self.crop <= self.resize:
            raise ValueError(
                f"crop={self.crop} does not fit into resize={self.resize}: give 1..{self.resize}"
            )

    @property
    def is_drawn(self) -> bool:
        """Whether the images are drawn: of one fish, or of several."""
        return self.dataset in data.DRAWN

    @property
    def is_folder(self) -> bool:
        """Whether the images are those of a folder of photographs."""
        return isinstance(self.dataset, str) and self.dataset.startswith(data.FOLDER)

    @property
    def several(self) -> bool | None:
        """Whether the images show several classes each; None: own ones, of which it is known when
        they are loaded."""
        own = self.is_folder or names.is_own(self.dataset)
        return None if own else self.dataset in SEVERAL_CLASSES

    @property
    def side(self) -> int:
        """Side of a training image in pixels."""
        return self.image_size if self.is_drawn else self.crop

    @property
    def knobs(self) -> dict:
        """Arguments of :class:`World`."""
        own = {name: getattr(self, name) for name in KNOBS if name != "seed"}
        return own | {"seed": self.world_seed}

    def load(self, split: str, size: int | None = None):
        """One split as ``data.load`` gives it.

        ``size`` is the side of photographs: by default ``resize`` for train and 224 otherwise.
        """
        if self.is_drawn:
            count = {"num_images": self.num_train} if split == "train" else {}
            return data.load(self.dataset, split, **self.knobs, **count)
        options = {"size": size or (self.resize if split == "train" else data.FRAME)}
        if self.classes:
            options["classes"] = self.classes
        if self.dataset == "cub":
            options["lists"] = self.lists
        if names.is_own(self.dataset):  # own code gets what it asks for, and must give the rest
            taken = inspect.signature(names.resolve(self.dataset, "data set")).parameters
            if not any(one.kind is one.VAR_KEYWORD for one in taken.values()):
                if "classes" in options and "classes" not in taken:
                    raise ValueError(f"{names.label(self.dataset)} takes no classes: leave it out")
                options = {name: value for name, value in options.items() if name in taken}
        return data.load(self.dataset, split, root=self.root or None, **options)
