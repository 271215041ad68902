"""How far a prediction is from uniform: the entropy and the divergences that regularise it.

Symbols: z logits (N, C); p = softmax(z); u = 1/C, the uniform distribution; H the Shannon entropy.
Each public function maps logits (N, C) to one value a row, (N,), in nats; its formula on log p has
the same name with an underscore, so that a training step takes ``log_softmax`` only once.
"""

import math

import torch
from torch import Tensor

from entreg_utils.fields import plain_numbers


def entropy(logits: Tensor) -> Tensor:
    """Shannon entropy H(p) = -sum_k p_k log p_k, (N, C) -> (N,), 0..log C nats.

    Raises ValueError for logits of the wrong shape or dtype, or (CPU) that are NaN or infinite.
    """
    return _entropy(_log_softmax(logits))


def kl_uniform(logits: Tensor) -> Tensor:
    """KL(u||p) = -log C - (1/C) sum_k log p_k, (N, C) -> (N,), 0..inf nats (Hwang et al., 2023).

    Gradient: d/dz_k = p_k - 1/C, which does not fade however sure the model is. Errors as of
    :func:`entropy`.
    """
    return _kl_uniform(_log_softmax(logits))


def kl_to_uniform(logits: Tensor) -> Tensor:
    """KL(p||u) = log C - H(p), (N, C) -> (N,), 0..log C nats (confidence penalty: Pereyra, 2017).

    Gradient: d/dz_k = p_k (log p_k + H(p)), which fades with p_k. Errors as of :func:`entropy`.
    """
    return _kl_to_uniform(_log_softmax(logits))


def jeffreys(logits: Tensor) -> Tensor:
    """Jeffreys divergence KL(u||p) + KL(p||u), (N, C) -> (N,), 0..inf nats (Jeffreys, 1946).
    Errors as of :func:`entropy`."""
    return _jeffreys(_log_softmax(logits))


def jsd(logits: Tensor) -> Tensor:
    """Jensen-Shannon divergence 1/2 KL(p||m) + 1/2 KL(u||m), m = (p + u)/2, (N, C) -> (N,).

    0..log 2 nats (Lin, 1991); rounding can leave it a little below 0 near uniform, so clamp before
    a root. Gradient: d/dz_k = 1/2 p_k [log(p_k/m_k) - KL(p||m)]. Errors as of :func:`entropy`.
    """
    return _skew_jensen(_log_softmax(logits), 0.5) / 4


@plain_numbers
def alpha_divergence(logits: Tensor, alpha: float) -> Tensor:
    """Skew-Jensen family D_alpha(u||p) of Meister et al. (ACL 2020), (N, C) -> (N,), nats.

    D_alpha = [(1 - alpha) KL(u||m) + alpha KL(p||m)] / (alpha (1 - alpha)) with
    m = (1 - alpha) u + alpha p. Limits: alpha = 0 is KL(p||u) (confidence penalty), alpha = 1 is
    KL(u||p) (label smoothing), alpha = 1/2 is 4 JSD. (Amari's alpha-divergence, with the same
    limits, is another family.) ValueError: ``alpha`` outside [0, 1], or as of :func:`entropy`.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in [0, 1], not {alpha}")
    return _skew_jensen(_log_softmax(logits), alpha)


def _entropy(log_p: Tensor) -> Tensor:
    return (log_p.exp() * -log_p).sum(1)  # this way round, certainty is 0.0 and not -0.0


def _kl_uniform(log_p: Tensor) -> Tensor:
    return -(log_p + math.log(log_p.shape[1])).mean(1)


def _kl_to_uniform(log_p: Tensor) -> Tensor:
    # log(p/u) before the sum: log C - H would lose every digit near uniform.
    return (log_p.exp() * (log_p + math.log(log_p.shape[1]))).sum(1)


def _jeffreys(log_p: Tensor) -> Tensor:
    log_ratio = log_p + math.log(log_p.shape[1])
    return (log_p.exp() * log_ratio).sum(1) - log_ratio.mean(1)


def _skew_jensen(log_p: Tensor, alpha: float) -> Tensor:
    if alpha == 0:
        return _kl_to_uniform(log_p)
    if alpha == 1:
        return _kl_uniform(log_p)
    log_pu = log_p + math.log(log_p.shape[1])  # log(p/u)
    # KL(u||m) is divided by alpha and KL(p||m) by 1 - alpha, so whichever is divided by a small
    # number needs its logarithms exact to first order: log1p of expm1, not log of a sum.
    if alpha <= 0.5:
        log_mu = torch.log1p(alpha * torch.expm1(log_pu))  # log(m/u)
        log_pm = log_pu - log_mu
    else:
        # beyond 80 the term carries p_k < e^-80; the clamp keeps expm1 from overflowing float32
        log_pm = -torch.log1p((1 - alpha) * torch.expm1((-log_pu).clamp(max=80.0)))
        log_mu = torch.logaddexp(
            log_pu + math.log(alpha), torch.full_like(log_pu, math.log1p(-alpha))
        )
    return (log_p.exp() * log_pm).sum(1) / (1 - alpha) - log_mu.mean(1) / alpha


def _log_softmax(logits: Tensor) -> Tensor:
    return wide(logits).log_softmax(1)


def wide(logits: Tensor) -> Tensor:
    """Logits (N, C) in float32 at least; ValueError as of :func:`entropy`."""
    if not (isinstance(logits, Tensor) and logits.is_floating_point()):
        kind = logits.dtype if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"logits must be a floating-point tensor, not {kind}")
    if logits.ndim != 2 or logits.shape[0] < 1 or logits.shape[1] < 2:
        raise ValueError(
            "logits must have shape (N, C) with at least one row and two classes, not "
            f"{tuple(logits.shape)}"
        )
    logits = logits if logits.dtype == torch.float64 else logits.float()
    # One sum finds any NaN or infinity; only then is it worth looking for the place.
    if may_look(logits) and not math.isfinite(logits.detach().sum().item()):
        wrong = (~logits.isfinite()).nonzero()
        if len(wrong):
            row, column = wrong[0].tolist()
            raise ValueError(
                f"the logit of row {row}, class {column} is {logits[row, column].item()}: the "
                "model has diverged or its input is not finite; check the images, lower the "
                "learning rate, or go back to the last good checkpoint"
            )
    return logits


def may_look(tensor: Tensor) -> bool:
    """Whether reading a value is free: on the CPU, outside torch.compile."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()
