"""The grids: nine strengths by four seeds, all runs together, six checkpoints."""

import pytest

from entreg_utils.experiments import Config, grids


def test_er_at_epsilon_is_kl_uniform_at_epsilon_over_one_minus_epsilon():
    assert grids.er(0.5) == Config(regularizer="kl_uniform", strength=1.0)
    assert grids.er(0.0, 1, body=0.5) == Config(seed=1, body=0.5)
    for epsilon in (*grids.EPSILONS, 0.85):
        assert grids.er(epsilon).epsilon == pytest.approx(epsilon, abs=1e-9)
    with pytest.raises(ValueError, match=r"epsilon=1.0: give a number in \[0, 1\)"):
        grids.er(1.0)


def test_the_sweep_is_every_epsilon_with_every_seed():
    pairs = [(c.epsilon, c.seed) for c in grids.sweep_epsilon((0.0, 0.5), (3, 4), epochs=2)]
    assert pairs == [(0, 3), (0, 4), (0.5, 3), (0.5, 4)]
    seeds = {}
    for config in grids.SWEEP:
        seeds.setdefault(round(config.epsilon, 6), []).append(config.seed)
    assert list(seeds) == list(grids.EPSILONS)
    for own in seeds.values():  # at least three, the same at each strength
        assert own == seeds[0.0] and len(own) == len(set(own)) >= len(grids.SEEDS) >= 3


def test_the_grids_together_name_each_run_once_and_checkpoints_are_of_them():
    assert len({config.name for config in grids.ALL}) == len(grids.ALL) == 118
    for grid in (grids.SWEEP, grids.HURTS, grids.METHODS, grids.REGULARISERS, grids.COOCCURRING):
        assert set(grid) <= set(grids.ALL)
    assert len(grids.CHECKPOINTS) <= 6 and set(grids.CHECKPOINTS) <= set(grids.ALL)
    assert grids.EXAMPLE == Config() and grids.EXAMPLE in grids.CHECKPOINTS
