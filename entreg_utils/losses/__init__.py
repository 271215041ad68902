"""Cross-entropy and its entropy regularisers: values, one training objective, strengths.

Everything is in nats and computed from one ``log_softmax`` in float32 at least (float64 stays
float64), so half-precision logits and autocast lose nothing here.
"""

from entreg_utils.losses.divergences import (
    alpha_divergence,
    entropy,
    jeffreys,
    jsd,
    kl_to_uniform,
    kl_uniform,
)
from entreg_utils.losses.objectives import REGULARIZERS, cross_entropy, objective, validate
from entreg_utils.losses.strengths import (
    epsilon_from_lambda,
    lambda_from_epsilon,
    matched_strength,
    smoothed_optimum,
)
