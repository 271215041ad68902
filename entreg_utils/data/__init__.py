"""Data sets behind one door: ``load(name, split)`` gives a ``Dataset`` of :class:`Sample`."""

from __future__ import annotations

from entreg_utils.data.sample import Sample
from entreg_utils.data.toy import CUES, ToyDataset, counterfactual, toy
from entreg_utils.data.world import World

DATASETS = {"toy": toy}


def load(name: str, split: str, root=None, **options):
    """Load one split of a data set.

    Args:
        name: ``toy``, the embedded world.
        split: ``train``, ``val`` or ``test``.
        root: folder for downloads and caches; default: the project's ``data/``.
        options: of the data set; for ``toy`` the knobs of :class:`World` and ``num_images``.

    Returns:
        A ``torch.utils.data.Dataset`` of :class:`Sample`.

    Raises:
        ValueError: an unknown name, split or option, each with the known ones.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}: known are {', '.join(DATASETS)}")
    return DATASETS[name](split, root=root, **options)


__all__ = ["CUES", "DATASETS", "Sample", "ToyDataset", "World", "counterfactual", "load"]
