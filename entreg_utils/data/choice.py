"""Which images: ``load(name, split)``, and ``Data``, the group of a run's settings that says it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from entreg_utils import names
from entreg_utils.data.evaluated import cub, openimages
from entreg_utils.data.folder import folder
from entreg_utils.data.masked import flowers, pets, voc
from entreg_utils.data.photos import LARGEST_SIDE, TRAIN_SIZE
from entreg_utils.data.sample import FRAME, Images, OwnDataset
from entreg_utils.data.toy import shoal, toy
from entreg_utils.data.world import KNOBS, SPLITS, World
from entreg_utils.fields import Door, settle, whole
from entreg_utils.files import expand

PHOTOGRAPHS = {"cub": cub, "openimages": openimages, "flowers": flowers, "pets": pets, "voc": voc}
DRAWN = ("toy", "shoal")  # by a seed and knobs: there are no files
DATASETS = {"toy": toy, "shoal": shoal, **PHOTOGRAPHS}
FOLDER = "folder:"
SEVERAL_CLASSES = ("shoal", "voc")  # data sets whose images show several classes
_SHARED = ("size", "classes", "cache")  # what PhotoDataset takes from every loader
_OF_DRAWN = ("num_train", *(knob for knob in KNOBS if knob != "seed"), "world_seed")
_OF_PHOTOGRAPHS = ("root", "resize", "crop", "classes")


def load(name: str | Callable, split: str, root=None, **options):
    """Load one split of a data set.

    Args:
        name: ``toy``, the drawn world, or ``shoal``, in which one to three fish swim in an image;
            ``cub``, ``openimages``, ``flowers``, ``pets`` or ``voc``, photographs that ``python -m
            entreg_utils data NAME`` fetches; ``folder:PATH``, photographs of one's own; or a
            function or its name ``package.module:function``, called as ``function(split,
            **options)``, see :class:`OwnDataset` for what it may give.
        split: ``train``, ``val`` or ``test``.
        root: folder of the data sets, or this one's own; default: the project's ``data/``. Own
            functions get it where it is given, and what is drawn has no files.
        options: of the data set; for ``toy`` and ``shoal`` the knobs of :class:`World` and
            ``num_images``; for photographs ``size``, ``classes`` and ``cache`` of
            :class:`PhotoDataset` (not every set has classes to choose), and what the function of
            that name here lists.

    Returns:
        A ``torch.utils.data.Dataset`` of :class:`Sample` with ``images`` uint8 (N, 3, S, S),
        ``labels`` (N,) or (N, C), ``pairs`` (P, 2) of (image, class), ``boxes_at(size)`` and
        ``masks_at(size)`` of these, ``num_classes``, ``class_names``, ``image_ids``, ``name``,
        ``split``, ``multilabel``, ``source``, ``frame`` (side at which maps are scored: the image's
        of drawn ones, 224 for photographs) and ``fingerprint`` (hex of decoded pixels and
        annotations; empty for drawn ones).

    Raises:
        ValueError: an unknown name, split or option, each with the known ones; an own function
            that gives no data set.
        StorageError: files that are missing or unreadable.
    """
    if not isinstance(name, str) or names.is_own(name):
        own = names.resolve(name, "data set")
        found = own(split, **options, **({} if root is None else {"root": root}))
        return found if isinstance(found, Images) else OwnDataset(found, split, names.label(name))
    if name in DRAWN:
        return DATASETS[name](split, **options)  # which knows its knobs itself
    is_folder = name.startswith(FOLDER)
    loader = partial(folder, name.removeprefix(FOLDER)) if is_folder else DATASETS.get(name)
    if loader is None:
        raise _unknown(name)
    taken = inspect.signature(loader).parameters
    known = [one for one in _SHARED if "shared" in taken]
    known += [one for one in taken if one not in ("path", "split", "root", "shared")]
    for option in options:
        if option not in known:
            raise ValueError(f"unknown option {option!r}: {name} has {', '.join(known)}")
    return loader(split, root=None if root is None else expand(root), **options)


def _unknown(name: str) -> ValueError:
    known = f"{', '.join(DATASETS)}, {FOLDER}PATH and package.module:function"
    return ValueError(f"unknown data set {name!r}: known are {known}")


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
    crop: int = FRAME
    """side of the random crops on which photographs train"""
    classes: int = 0
    """the first so many classes of the photographs; 0 is all"""
    lists: Literal["official", "evaluation"] = "official"
    """split of cub: its own, or that of the evaluation code"""

    def __post_init__(self):
        settle(self)
        if not self._is_own and self.dataset not in DATASETS:
            raise _unknown(self.dataset)
        other, why = _OF_DRAWN, "the drawn world: photographs are what they are"
        if self.is_drawn:
            World(**self.knobs)  # refuses knobs out of range
            other = _OF_PHOTOGRAPHS
            why = "photographs: the drawn world has image_size and num_classes"
        for name in other:
            if getattr(self, name) != getattr(Data, name):
                raise ValueError(f"{name} belongs to {why}: leave it out")
        if self.lists != Data.lists and self.dataset != "cub":
            raise ValueError("lists is a choice that only cub has: leave it out")
        whole("num_train", self.num_train, 1)
        if self.several and self.classes:
            raise ValueError(f"{self.dataset} has a column for each class: leave classes out")
        if self.classes:  # 0 is all
            whole("classes", self.classes, 2)
        whole("resize", self.resize, 8, LARGEST_SIDE)
        whole("crop", self.crop, 1, self.resize)

    @property
    def is_drawn(self) -> bool:
        """Whether the images are drawn: of one fish, or of several."""
        return self.dataset in DRAWN

    @property
    def is_folder(self) -> bool:
        """Whether the images are those of a folder of photographs."""
        return isinstance(self.dataset, str) and self.dataset.startswith(FOLDER)

    @property
    def _is_own(self) -> bool:
        return self.is_folder or names.is_own(self.dataset)

    @property
    def several(self) -> bool | None:
        """Whether the images show several classes each; None: own ones, of which it is known when
        they are loaded."""
        return None if self._is_own else self.dataset in SEVERAL_CLASSES

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
            return load(self.dataset, split, **self.knobs, **count)
        options = {"size": size or (self.resize if split == "train" else FRAME)}
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
        return load(self.dataset, split, root=self.root or None, **options)
