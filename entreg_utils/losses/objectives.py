"""The loss of a training step: cross-entropy with one of the entropy regularisers.

Bad values raise a ``ValueError`` on the CPU. On an accelerator, looking at values would stall the
queue in every step: there a bad target turns the loss of its row into NaN, and a training loop that
meets a NaN loss calls :func:`validate` for the sentence.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from entreg_utils import names
from entreg_utils.fields import plain, plain_numbers, shown
from entreg_utils.losses import divergences
from entreg_utils.losses.divergences import _log_softmax

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
SUM_TOLERANCE = 1e-3  # rounding of float32 is far below, a forgotten normalisation far above

REGULARIZERS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "none": None,
    "label_smoothing": None,  # reweighs the cross-entropy instead of adding to it
    "confidence_penalty": lambda log_p: -divergences._entropy(log_p),
    "jeffreys": divergences._jeffreys,
    "jsd": lambda log_p: divergences._skew_jensen(log_p, 0.5) / 4,
    "kl_uniform": divergences._kl_uniform,
}


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy H(t, p) = -sum_k t_k log p_k, one value a row: (N, C) -> (N,), 0..inf nats.

    ``target``: class indices (N,) in 0..C-1, integers; soft targets (N, C), rows >= 0 that sum to 1
    (within 1e-3, bfloat16 within 8e-3; the rest is normalised away); or multi-hot (N, C) of zeros
    and ones, each row divided by its number of ones. Gradient: d/dz_k = p_k - t_k.

    ValueError: wrong shape or dtype; on the CPU also a label out of range, a row that is neither a
    distribution nor multi-hot, NaN or infinite logits.
    """
    return _cross_entropy(_log_softmax(logits), target)


@plain_numbers
def objective(
    logits: Tensor,
    target: Tensor,
    regularizer: str | Callable[[Tensor], Tensor] = "kl_uniform",
    strength: float = 0.1,
) -> Tensor:
    """Mean over the batch of the regularised cross-entropy, (N, C) and target -> scalar, nats.

    ======================  =======================================  ==================
    ``regularizer``         loss of a row                            ``strength``
    ======================  =======================================  ==================
    ``none``                CE                                       not used
    ``label_smoothing``     (1 - eps) CE + eps H(u, p)               eps in [0, 1)
    ``confidence_penalty``  CE - beta H(p)                           beta >= 0
    ``kl_uniform`` (ER)     CE + lambda KL(u||p)                     lambda >= 0
    ``jeffreys``            CE + lambda [KL(u||p) + KL(p||u)]        lambda >= 0
    ``jsd``                 CE + lambda JSD(u, p)                    lambda >= 0
    own function R          CE + lambda R(z)                         lambda >= 0
    ======================  =======================================  ==================

    ``kl_uniform`` equals (1 + lambda) times ``label_smoothing`` minus lambda log C, with
    eps = lambda/(1 + lambda); lambda multiplies the true KL, with its 1/C (see
    :func:`epsilon_from_lambda` for the class-sum convention).

    ``target`` as in :func:`cross_entropy`. An own function maps logits (N, C), float32 at least, to
    one value a row (N,); its address ``"package.module:function"`` does too. Equal strengths of
    different regularisers are not comparable; compare at matched entropy.

    ValueError: unknown regulariser, strength out of range, or bad logits or targets.
    """
    own = names.resolve(regularizer, "regularizer") if names.is_own(regularizer) else None
    if own is None and not (isinstance(regularizer, str) and regularizer in REGULARIZERS):
        known = ", ".join(REGULARIZERS)
        raise ValueError(
            f"unknown regularizer {shown(regularizer)}: known are {known}, module:function"
        )
    if regularizer == "label_smoothing":
        check_epsilon(strength)
    elif regularizer != "none" and not (strength >= 0 and math.isfinite(strength)):
        name = names.label(regularizer)
        raise ValueError(f"the strength of {name} must be finite and >= 0, not {strength}")
    logits = divergences.wide(logits)  # once: the gradients of all terms add up before they round
    log_p = logits.log_softmax(1)
    loss = _cross_entropy(log_p, target).mean()
    if regularizer == "none" or strength == 0:
        return loss
    if regularizer == "label_smoothing":
        return (1 - strength) * loss - strength * log_p.mean()
    if own is None:
        return loss + strength * REGULARIZERS[regularizer](log_p).mean()
    values = own(logits)
    if not isinstance(values, Tensor) or values.shape != logits.shape[:1]:
        found = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"the regularizer {names.label(regularizer)} must give one value a row, a tensor of "
            f"shape ({len(logits)},), not {found}"
        )
    return loss + strength * values.mean()


def validate(logits: Tensor, target: Tensor | None = None) -> None:
    """Raise the ValueError that says what is wrong with the values, on whatever device they are."""
    logits, target = (v.detach().cpu() if isinstance(v, Tensor) else v for v in (logits, target))
    log_p = _log_softmax(logits)
    if target is not None:
        _cross_entropy(log_p, target)


def check_epsilon(epsilon: float) -> float:
    epsilon = plain("epsilon", float, epsilon)
    if not 0 <= epsilon < 1:
        raise ValueError(
            f"label smoothing's eps must lie in [0, 1), not {epsilon}: at 1 nothing of the label "
            "is left"
        )
    return epsilon


def _cross_entropy(log_p: Tensor, target: Tensor) -> Tensor:
    rows, classes = log_p.shape
    if not isinstance(target, Tensor):
        raise ValueError(f"target must be a tensor, not {type(target).__name__}")
    if target.shape == (rows,) and target.dtype in _WHOLE:
        label = target.to(torch.int64)
        bad = (label < 0) | (label >= classes)
        loss = -log_p.gather(1, label.clamp(0, classes - 1)[:, None])[:, 0]
        return _refuse(
            bad,
            loss,
            lambda i: (
                f"label {int(label[i])} of row {i} is outside 0..{classes - 1} (the logits "
                f"have {classes} classes): renumber the labels or build the model with more classes"
            ),
        )
    if target.shape == (rows, classes) and not target.is_complex():
        weights = target.to(log_p.dtype)
        total = weights.sum(1)
        multi_hot = ((weights == 0) | (weights == 1)).all(1) & (total > 0)
        rounding = torch.finfo(target.dtype).eps if target.is_floating_point() else 0.0
        soft = (weights >= 0).all(1) & ((total - 1).abs() <= max(SUM_TOLERANCE, rounding))
        loss = -(weights / total[:, None] * log_p).sum(1)
        return _refuse(
            ~(multi_hot | soft),
            loss,
            lambda i: (
                f"row {i} of the target (smallest {weights[i].min():.4g}, sum "
                f"{weights[i].sum():.4g}) is neither a distribution (no negative entry, sum 1) nor "
                "multi-hot (zeros and at least one one): normalise it"
            ),
        )
    raise ValueError(
        f"target must be class indices (integers) of shape ({rows},) or soft or multi-hot targets "
        f"of shape ({rows}, {classes}), not {str(target.dtype).removeprefix('torch.')} of shape "
        f"{tuple(target.shape)}"
    )


def _refuse(bad: Tensor, loss: Tensor, sentence: Callable[[int], str]) -> Tensor:
    """Raise ``sentence(first bad row)`` where looking is free; elsewhere make these rows NaN."""
    if not divergences.may_look(loss):
        return torch.where(bad, math.nan, loss)
    if bad.any():
        raise ValueError(sentence(int(bad.nonzero()[0])))
    return loss
