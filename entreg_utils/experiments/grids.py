"""The grids behind the figures: which configs, and why these."""

from entreg_utils import data, erasing
from entreg_utils.experiments.config import Config
from entreg_utils.experiments.presets import config_of
from entreg_utils.fields import plain_numbers
from entreg_utils.losses import matched_strength, smoothed_optimum

SEEDS = (0, 1, 2)
CLASSES = data.World.num_classes
# Seeds move the maps of this small network a lot; with four, Student's interval is two thirds as
# wide as with three, and the sweep still fits into the tutorial's fifteen minutes.
SWEEP_SEEDS = (0, 1, 2, 3)
# From no regularisation to beyond the collapse, denser where the curve bends.
EPSILONS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
# Two worlds that break the mechanism. In both, the body is a poor witness; in the first nothing
# else stands in for the part, in the second the context does.
WEAK_BODY = {"body": 0.5, "context": 0.125}
LOUD_CONTEXT = {"body": 0.5, "context": 0.9}


@plain_numbers
def er(epsilon: float, seed: int = 0, **changes) -> Config:
    """ER at weight ``epsilon`` in [0, 1), lambda = epsilon / (1 - epsilon), and ``changes``: see
    :func:`presets.config_of`."""
    return config_of(epsilon=epsilon, seed=seed, **changes)


def sweep_epsilon(epsilons=EPSILONS, seeds=SEEDS, **changes) -> list[Config]:
    """Every epsilon with every seed, epsilon slowest."""
    return [er(epsilon, seed, **changes) for epsilon in epsilons for seed in seeds]


EXAMPLE = er(0.0)  # plain cross-entropy: the model whose maps the first notebooks open
SWEEP = tuple(sweep_epsilon(seeds=SWEEP_SEEDS))
# What a reader trains live in other worlds (the cue lab of notebook 01) is half of that: seconds.
LIVE = er(0.0, num_train=1000)
WEAK = tuple(sweep_epsilon((0.0, 0.8, 0.9), **WEAK_BODY))
LOUD = tuple(sweep_epsilon((0.0, 0.5, 0.8), **LOUD_CONTEXT))
HURTS = WEAK + LOUD
# Every erasing method without and with the strength that validation chose for plain CAM; the runs
# of CAM itself are those of the sweep.
METHODS = tuple(
    config for method in erasing.METHODS for config in sweep_epsilon((0.0, 0.8), method=method)
)
# The other regularisers at the entropies of ER's optimum at three epsilons of the sweep: strengths
# that ask for the same thing. Label smoothing is ER at equal epsilon, and needs no runs.
MATCHED_EPSILONS = (0.3, 0.7, 0.8)
REGULARISERS = tuple(
    Config(regularizer=name, strength=round(strength, 4), seed=seed)
    for name in ("confidence_penalty", "jeffreys", "jsd")
    for strength in (
        matched_strength(name, smoothed_optimum(e, CLASSES)[1], CLASSES) for e in MATCHED_EPSILONS
    )
    for seed in SEEDS
)
# The limitation: the context agrees with the label more and more often, until it always does, as
# the part: then no label tells the two apart. The runs at the default context are the sweep's.
CONTEXTS = (data.World.context, 0.7, 1.0)
COOCCURRING = tuple(
    config for context in CONTEXTS for config in sweep_epsilon((0.0, 0.8), context=context)
)
ALL = tuple(dict.fromkeys((*SWEEP, *HURTS, *METHODS, *REGULARISERS, *COOCCURRING, LIVE)))
# Their checkpoints come with the project (at most six): the stations of the story, and the world in
# which the method hurts.
CHECKPOINTS = tuple(map(er, (0.0, 0.5, 0.8, 0.98)))
CHECKPOINTS += tuple(er(epsilon, **LOUD_CONTEXT) for epsilon in (0.0, 0.8))
