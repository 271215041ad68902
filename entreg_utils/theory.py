"""Why there is a sweet spot: a softmax regression on three cues, solved exactly.

The world in three numbers: cue k (part, body, context) shows the label's variant with
probability r_k, else one of the others. A classifier on a pooled map sees cue k with amplitude a_k,
the share of the map that the cue covers: global average pooling makes large things loud. With one
weight a cue, which symmetry over the classes allows, the logits are

    z_j = sum_k a_k w_k [cue_k shows j],

and with t = (1 - eps) y + eps / C the weights w >= 0 minimise

    E[ H(t, p) ] + price * sum_k w_k.

The price is what weight decay becomes where features are learned: the weight of a cue is a product
w = u v of its detector u and its output weight v, and min (u^2 + v^2) / 2 over u v = w is |w|.

What follows, and what the notebook tests: every cue costs the same per unit of w, but a unit moves
the logit by a_k only, so a small part is dear. At eps = 0 the loss asks for a large margin on every
image, which only the perfect cue gives, and the price is paid. As eps grows the margin asked for
shrinks, and with it what the part is worth beyond the body; past some eps it is dropped and the
body, large and almost always right, carries the class alone. Past a last eps no cue pays, and all
weights are zero: the collapse (:func:`pays_until`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax, xlogy

from entreg_utils.cam.scaling import as_array
from entreg_utils.fields import plain_numbers, settle

CUES = ("part", "body", "context")
LIMITS = {
    "bounds": [(0, None)] * 3,
    "options": {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 2000},
}


@dataclass(frozen=True)
class ThreeCues:
    """The world of the theory.

    Attributes:
        reliability: r_k in 0..1 for part, body, context.
        amplitude: a_k > 0, the share of the map that each cue covers.
        num_classes: C.
        price: of a unit of weight, > 0; the theory's one free constant.
    """

    reliability: tuple[float, float, float]
    amplitude: tuple[float, float, float]
    num_classes: int = 8
    price: float = 1e-3

    def __post_init__(self):
        settle(self)
        if not all(0 <= r <= 1 for r in self.reliability):
            raise ValueError(f"reliability={self.reliability}: give probabilities in 0..1")
        if not all(a > 0 for a in self.amplitude) or self.price <= 0:
            raise ValueError("amplitudes and price must be positive")

    def states(self) -> tuple[np.ndarray, np.ndarray]:
        """What the cues can show when the label is 0: variants (C^3, 3), probabilities (C^3,)."""
        classes = self.num_classes
        shown = np.array(list(product(range(classes), repeat=3)))
        agree = np.array(self.reliability)
        chance = np.where(shown == 0, agree, (1 - agree) / (classes - 1)).prod(axis=1)
        return shown[chance > 0], chance[chance > 0]


@plain_numbers
def optimum(world: ThreeCues, epsilon: float) -> np.ndarray:
    """Weights w (3,), >= 0, at the minimum of the regularised loss (convex: any minimum is global).

    Raises:
        ValueError: epsilon outside [0, 1].
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon={epsilon} is outside 0..1")
    shown, chance = world.states()
    # in logit units s = a w the problem is well scaled; the price of a logit is price / a
    price = world.price / np.array(world.amplitude)

    def loss(logit_weights):
        value, gradient = data_loss(logit_weights, epsilon, world.num_classes, shown, chance)
        return value + price @ logit_weights, gradient + price

    point = np.zeros(3)
    for _ in range(3):  # begun again where it stopped: near a change of cues it may stop short
        point = minimize(loss, point, method="L-BFGS-B", jac=True, **LIMITS).x
    return point / np.array(world.amplitude)


def reliance(world: ThreeCues, epsilons: Sequence[float]) -> np.ndarray:
    """Logit contribution a_k w_k of each cue at the optimum, one row an epsilon: (E, 3).
    Errors as of :func:`optimum`."""
    epsilons = np.atleast_1d(as_array(epsilons, "epsilons"))
    return np.array([np.array(world.amplitude) * optimum(world, e) for e in epsilons])


def pays_until(world: ThreeCues) -> np.ndarray:
    """The epsilon of each cue (3,), at most 1, from which on it does not pay as the only one.

    At w = 0 the prediction is uniform, and the loss falls along cue k at the rate
    (1 - eps) a_k (r_k - 1/C), which has to beat the price. From the largest of the three on all
    weights are zero. Below 0, or -inf: never.
    """
    rate = np.array(world.amplitude) * (np.array(world.reliability) - 1 / world.num_classes)
    return 1 - np.divide(world.price, rate, where=rate > 0, out=np.full(3, np.inf))


def fit_price(table: pd.DataFrame, world: ThreeCues, candidates: Sequence[float]) -> ThreeCues:
    """The world with the price whose predicted worths are nearest to the measured ones.

    Least squares over epsilons and cues of asinh(10 worth), which is about linear below a tenth of
    a logit and logarithmic above, so that neither the large nor the small worths decide alone.

    Args:
        table: columns ``epsilon`` and ``reliance_part``, ``reliance_body``, ``reliance_context``,
            in logits; rows of one epsilon (its seeds) are averaged.
        world: its price is not read.
        candidates: prices to try, > 0.
    """
    measured = table.groupby("epsilon")[[f"reliance_{cue}" for cue in CUES]].mean()

    def distance(candidate: ThreeCues) -> float:
        predicted = reliance(candidate, measured.index)
        return ((np.arcsinh(10 * predicted) - np.arcsinh(10 * measured.to_numpy())) ** 2).sum()

    return min((replace(world, price=price) for price in candidates), key=distance)


@plain_numbers
def prediction(world: ThreeCues, epsilon: float) -> tuple[float, float]:
    """Accuracy and mean entropy (nats) of the optimal classifier on the theory's own world.
    Errors as of :func:`optimum`."""
    shown, chance = world.states()
    logit_weights = np.array(world.amplitude) * optimum(world, epsilon)
    p = _probabilities(logit_weights, world.num_classes, shown)
    entropy = -xlogy(p, p).sum(axis=1)
    best = p.max(axis=1, keepdims=True)
    ties = np.isclose(p, best, rtol=1e-9)  # equal classes share the guess
    return float(chance @ (ties[:, 0] / ties.sum(axis=1))), float(chance @ entropy)


def data_loss(logit_weights, epsilon, num_classes, shown, chance):
    """E[H(t, p)] and its gradient (3,) in the logit weights s_k = a_k w_k."""
    p = _probabilities(logit_weights, num_classes, shown)
    target = np.full(num_classes, epsilon / num_classes)
    target[0] += 1 - epsilon
    value = -chance @ (np.log(np.maximum(p, 1e-300)) @ target)
    p_shown = np.take_along_axis(p, shown, axis=1)  # p of the class that each cue shows
    return value, chance @ (p_shown - target[shown])


def _probabilities(logit_weights, num_classes: int, shown: np.ndarray) -> np.ndarray:
    return softmax(logit_weights @ np.eye(num_classes)[shown], axis=1)  # cues as one-hot rows
