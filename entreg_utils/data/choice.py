"""Which images a run is about: the settings of the data sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from entreg_utils import data
from entreg_utils.data.world import KNOBS, World
from entreg_utils.fields import settle

LARGEST_SIDE = 2048
SEVERAL_CLASSES = ("voc",)  # data sets whose photographs show several classes
_DRAWN = ("num_train", *(name for name in KNOBS if name != "seed"), "world_seed")
_PHOTOGRAPHIC = ("resize", "crop", "classes", "lists")


@dataclass(frozen=True)
class Data:
    """Data: which images."""

    dataset: str | Callable = "toy"
    """toy (drawn), cub, openimages, flowers, pets, voc, folder:PATH, own code"""
    root: str = ""
    """folder of the data sets; where files lie is no part of what a run is"""
    num_train: int = 2000
    """drawn world: training images"""
    part: float = World.part
    """drawn world: reliability of the mark, 0..1"""
    body: float = World.body
    """drawn world: reliability of the body's colours, 0..1"""
    context: float = World.context
    """drawn world: reliability of the habitat, 0..1"""
    part_visibility: float = World.part_visibility
    """drawn world: share of images in which the mark is painted, 0..1"""
    num_classes: int = World.num_classes
    """drawn world: species, 2..10"""
    image_size: int = World.image_size
    """drawn world: side of the images in pixels, 32..128"""
    world_seed: int = World.seed
    """of the drawn world"""
    resize: int = 256
    """photographs: side in pixels before the crop"""
    crop: int = 224
    """photographs: side in pixels of the random crop in training"""
    classes: int = 0
    """photographs: the first so many classes; 0: all"""
    lists: Literal["official", "evaluation"] = "official"
    """whose split of cub"""

    def __post_init__(self):
        settle(self)

    @property
    def is_drawn(self) -> bool:
        return self.dataset == "toy"

    @property
    def world(self) -> World:
        knobs = {n: getattr(self, n) for n in KNOBS if n != "seed"}
        return World(**knobs, seed=self.world_seed)

    @property
    def several(self):
        return self.dataset in SEVERAL_CLASSES

    @property
    def side(self):
        return self.image_size if self.is_drawn else self.crop

    def load(self, split, size=None):
        root = self.root or None
        if self.is_drawn:
            knobs = {n: getattr(self, n) for n in KNOBS if n != "seed"} | {"seed": self.world_seed}
            options = {"num_images": self.num_train} if split == "train" else {}
            return data.load("toy", split, root, **knobs, **options)
        options = {"size": self.resize if split == "train" else (size or 224)}
        if self.classes:
            options["classes"] = self.classes
        if self.dataset == "cub":
            options["lists"] = self.lists
        return data.load(self.dataset, split, root, **options)
