"""Data sets behind one door: ``load(name, split)`` gives a ``Dataset`` of :class:`Sample`."""

from __future__ import annotations

import inspect

from entreg_utils.data.cub import cub
from entreg_utils.data.openimages import openimages
from entreg_utils.data.oxford import flowers, pets
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.data.sample import Sample
from entreg_utils.data.toy import CUES, ToyDataset, counterfactual, toy
from entreg_utils.data.voc import voc
from entreg_utils.data.world import World

DATASETS = {
    "toy": toy,
    "cub": cub,
    "openimages": openimages,
    "flowers": flowers,
    "pets": pets,
    "voc": voc,
}


def load(name: str, split: str, root=None, **options):
    """Load one split of a data set.

    Args:
        name: ``toy``, the embedded world; ``cub``, ``openimages``, ``flowers``, ``pets`` or
            ``voc``, photographs that ``python -m entreg_utils data NAME`` fetches.
        split: ``train``, ``val`` or ``test``.
        root: folder of the data sets, or this one's own; default: the project's ``data/``. For
            ``toy`` the folder of the cache.
        options: of the data set; for ``toy`` the knobs of :class:`World` and ``num_images``, for
            photographs ``size`` and what the function of that name in this package lists.

    Returns:
        A ``torch.utils.data.Dataset`` of :class:`Sample`: :class:`ToyDataset` or
        :class:`PhotoDataset`. Both have ``images``, ``labels``, ``pairs``, ``boxes_at(size)`` and
        ``masks_at(size)``.

    Raises:
        ValueError: an unknown name, split or option, each with the known ones.
        StorageError: files that are missing or unreadable.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}: known are {', '.join(DATASETS)}")
    loader = DATASETS[name]
    known = inspect.signature(loader).parameters
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values()):
        for option in options:
            if option not in known:
                own = ", ".join(one for one in known if one not in ("split", "root"))
                raise ValueError(f"unknown option {option!r}: {name} has {own}")
    return loader(split, root=root, **options)


__all__ = [
    "CUES",
    "DATASETS",
    "PhotoDataset",
    "Sample",
    "ToyDataset",
    "World",
    "counterfactual",
    "load",
]

PHOTOGRAPHS = tuple(name for name in DATASETS if name != "toy")
from entreg_utils.data.choice import SEVERAL_CLASSES, Data  # noqa
