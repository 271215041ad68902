"""Photographs that are on this machine, ready to be drawn: maps of stored runs, stages of own ones.

Records hold no photographs, and most readers have none: what is missing gives an empty answer, not
an error, so that a notebook can show the embedded world in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from entreg_utils import data
from entreg_utils.analysis import compare as comparisons
from entreg_utils.experiments import Run, store
from entreg_utils.figures.triptychs import Example
from entreg_utils.files import StorageError


def examples(
    plan: str, epsilons: Sequence[float] = (0.0, 0.3), seed: int = 0, images: int = 3, root=None
) -> list[list[Example]]:
    """Rows of :func:`.triptychs.triptychs`, photographs at their own size; empty without them.

    The maps are those that the records keep of a few test photographs (``Run.panel``), at the last
    epoch, so that the photographs alone are needed and no checkpoint. The threshold is each run's
    own, chosen on validation and carried over.

    Args:
        plan: name of a plan on photographs with boxes, or its path.
        epsilons, seed: of the runs; all must be stored.
        images: how many photographs at most.
        root: folder of the photographs, as for ``data.load``.
    """
    runs = _runs(plan, epsilons, seed)
    test = _test(runs, root)
    if test is None:
        return []
    rows = []
    for place, index in enumerate(runs[0].panel[:images]):
        sample = test[index]
        rows.append(
            [
                Example(
                    f"ε = {run.config.epsilon:g}",
                    sample.image,
                    run.maps[-1, place],
                    sample.boxes.numpy(),
                    run.metrics["box_threshold"],
                )
                for run in runs
            ]
        )
    return rows


def stage_maps(
    plan: str, epsilons: Sequence[float] = (0.0, 0.3), seed: int = 0, images: int = 3, root=None
) -> tuple[torch.Tensor, dict[str, dict[str, torch.Tensor]]] | None:
    """Images and features for :func:`.stages.beside`; None without photographs or checkpoints.

    Nothing is trained: the checkpoints must lie in the reader's own results.

    Args:
        plan, epsilons, seed, images, root: as for :func:`examples`.
    """
    runs = _runs(plan, epsilons, seed)
    paths = [folder / f"{r.config.name}.pt" for r in runs for folder in store.folders(r.config)]
    test = _test(runs, root) if sum(path.exists() for path in paths) >= len(runs) else None
    if test is None:
        return None
    shown = torch.stack([test.images[index] for index in runs[0].panel[:images]]).float() / 255
    features = {}
    with torch.no_grad():
        for run in runs:
            maps = run.model().cpu().stage_features(shown)
            features[f"ε = {run.config.epsilon:g}"] = maps
    return shown, features


def _runs(plan: str, epsilons: Sequence[float], seed: int) -> list[Run]:
    """The stored run of each epsilon, all seen whole in evaluation; none where one is missing."""
    stored = {
        run.config.epsilon: run
        for run in comparisons.stored(plan)
        if run.config.seed == seed and run.config.eval_view == "resize"
    }
    return [stored[e] for e in epsilons] if all(e in stored for e in epsilons) else []


def _test(runs: Sequence[Run], root):
    """The test split of the runs, or None where it is not on this machine, or another one is."""
    if not runs:
        return None
    config = runs[0].config
    options = {"lists": config.lists} if config.dataset == "cub" else {}
    options |= {"classes": config.classes} if config.classes else {}
    try:
        test = data.load(config.dataset, "test", root=root, size=config.eval_size, **options)
    except (StorageError, ValueError):
        return None
    return test if max(runs[0].panel) < len(test) else None
