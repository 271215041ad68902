"""How a backbone is fine-tuned: which weights learn faster, and which stand still."""

from __future__ import annotations

from torch import nn

from entreg_utils.models.base import Backbone
from entreg_utils.models.folding import fold, unfold


def parameter_groups(module: Backbone, factor: float = 10.0) -> list[dict]:
    """Parameters in two groups: the last stage and the head learn ``factor`` times faster.

    Args:
        module: of ``models.build``.
        factor: positive; 10 in the evaluation code of Choe et al. (CVPR 2020), and, put the other
            way round (0.1 for what comes before), in that of ADL (Choe & Shim, CVPR 2019).

    Returns:
        ``[{"params": [...], "factor": 1.0}, {"params": [...], "factor": factor}]``: every trainable
        parameter once, in the order of ``module.parameters()``.

    Raises:
        TypeError: not a module of ``models.build``.  ValueError: the factor is not positive.
    """
    _check(module)
    if not 0 < factor < float("inf"):
        raise ValueError(f"factor={factor!r}: give a positive number, 1 for equal learning rates")
    fast = {id(p) for part in (*module.stage_modules()[-1], module.head) for p in part.parameters()}
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if id(p) not in fast], "factor": 1.0},
        {"params": [p for p in trained if id(p) in fast], "factor": float(factor)},
    ]


def freeze_batchnorm(module: Backbone, frozen: bool = True) -> Backbone:
    """Keep the batch-norm statistics as they are, in ``train()`` too; scale and shift still learn.

    Right for weights whose batch-norm was folded into the convolutions (running mean 0, variance
    1): statistics of a batch would normalise once more and undo the network. Also usual for small
    batches. The setting goes along in ``copy.deepcopy`` and is not part of the state dict. Where a
    convolution feeds a batch-norm alone, the two then run as one (:mod:`.folding`).

    Args:
        module: of ``models.build``; changed in place.
        frozen: False thaws: the statistics follow the batches again in ``train()``.

    Returns:
        The module itself.

    Raises:
        TypeError: not a module of ``models.build``.
    """
    _check(module)
    module.batchnorm_frozen = bool(frozen)
    for layer in module.batchnorms():
        layer.train(module.training and not frozen)
    (fold if frozen else unfold)(module)
    return module


def freeze_stages(module: Backbone, count: int) -> Backbone:
    """Keep the weights of the first stages as they are, batch-norm included; the rest learns.

    Usual in fine-tuning: early features hardly change there, and no gradient has to be taken
    through the maps that are largest. As with :func:`freeze_batchnorm`, the setting is not part of
    the state dict.

    Args:
        module: of ``models.build``; changed in place.
        count: stages, the stem going with the first; 0 lets all learn.

    Returns:
        The module itself.

    Raises:
        TypeError: not a module of ``models.build``.  ValueError: not that many stages; the last one
            always learns.
    """
    _check(module)
    stages = module.stage_modules()
    if not 0 <= count < len(stages):
        raise ValueError(
            f"count={count}: this network has {len(stages)} stages, so give 0 to {len(stages) - 1}"
        )
    module.frozen_stages = count
    for number, parts in enumerate(stages):
        for part in parts:
            part.requires_grad_(number >= count)
    return module.train(module.training)


def _check(module: nn.Module) -> None:
    if not isinstance(module, Backbone):
        raise TypeError(f"{type(module).__name__} is no backbone: make one with models.build")
