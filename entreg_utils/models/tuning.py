"""How a backbone is fine-tuned: which weights learn faster, and batch-norm that stands still."""

from __future__ import annotations

from torch import nn

from entreg_utils.models.base import Backbone


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
    fast = {id(p) for part in (*module.last_stage(), module.head) for p in part.parameters()}
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if id(p) not in fast], "factor": 1.0},
        {"params": [p for p in trained if id(p) in fast], "factor": float(factor)},
    ]


def freeze_batchnorm(module: Backbone, frozen: bool = True) -> Backbone:
    """Keep the batch-norm statistics as they are, in ``train()`` too; scale and shift still learn.

    Right for weights whose batch-norm was folded into the convolutions (running mean 0, variance
    1): statistics of a batch would normalise once more and undo the network. Also usual for small
    batches. The setting goes along in ``copy.deepcopy`` and is not part of the state dict.

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
    return module


def _check(module: nn.Module) -> None:
    if not isinstance(module, Backbone):
        raise TypeError(f"{type(module).__name__} is no backbone: make one with models.build")
