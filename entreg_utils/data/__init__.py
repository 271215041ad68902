"""Data sets behind one door: ``load(name, split)`` gives a data set of :class:`Sample`."""

import inspect
from collections.abc import Callable
from functools import partial

from entreg_utils import names
from entreg_utils.data.evaluated import cub, openimages
from entreg_utils.data.folder import folder
from entreg_utils.data.masked import flowers, pets, voc
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.data.sample import FRAME, Images, OwnDataset, Sample, collate
from entreg_utils.data.survey import survey
from entreg_utils.data.toy import CUES, DrawnDataset, counterfactual, shoal, toy
from entreg_utils.data.world import World
from entreg_utils.files import expand

PHOTOGRAPHS = {"cub": cub, "openimages": openimages, "flowers": flowers, "pets": pets, "voc": voc}
DRAWN = ("toy", "shoal")  # by a seed and knobs: there are no files
DATASETS = {"toy": toy, "shoal": shoal, **PHOTOGRAPHS}
FOLDER = "folder:"
_SHARED = ("size", "classes", "cache")  # what PhotoDataset takes from every loader


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
        text = names.label(name)
        return found if isinstance(found, Images) else OwnDataset(found, split, text)
    if name in DRAWN:
        return DATASETS[name](split, **options)  # which knows its knobs itself
    root = None if root is None else expand(root)
    if name.startswith(FOLDER):
        loader = partial(folder, name.removeprefix(FOLDER))
    elif name in DATASETS:
        loader = DATASETS[name]
    else:
        raise ValueError(
            f"unknown data set {name!r}: known are {', '.join(DATASETS)}, {FOLDER}PATH and "
            "package.module:function"
        )
    taken = inspect.signature(loader).parameters
    known = [one for one in _SHARED if "shared" in taken]
    known += [one for one in taken if one not in ("path", "split", "root", "shared")]
    for option in options:
        if option not in known:
            raise ValueError(f"unknown option {option!r}: {name} has {', '.join(known)}")
    return loader(split, root=root, **options)


from entreg_utils.data.choice import SEVERAL_CLASSES, Data  # noqa: E402  it asks what is known
