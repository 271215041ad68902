"""The figures of photographs by name: which runs they take, and what is said without any."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest

from entreg_utils.experiments import plans
from entreg_utils.figures import birds


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def made(epsilon, seed, val=0.5, method="cam"):
    config = SimpleNamespace(epsilon=epsilon, seed=seed, method=method, crop=160, eval_size=160)
    metrics = {"val_max_box_acc": val, "centre_box": 0.6}
    return SimpleNamespace(config=config, metrics=metrics)


def plans_hold(monkeypatch, **runs):
    plan_of = {plans.load(name).configs: name for name in plans.names()}
    monkeypatch.setattr(
        birds.comparisons, "stored", lambda configs: runs.get(plan_of[tuple(configs)], [])
    )


def test_epsilons_that_lack_a_seed_are_left_out_and_validation_chooses(monkeypatch):
    runs = [made(e, s, val) for e, val in ((0.0, 0.9), (0.3, 0.5), (0.6, 0.7)) for s in range(3)]
    plans_hold(monkeypatch, cub30_epsilon=[*runs, made(0.9, 0, 0.99)])
    shelf = birds.Birds()
    assert list(shelf.sweep) == [0.0, 0.3, 0.6] and len(shelf.runs) == 9
    assert shelf.chosen == 0.6  # 0 would be best, and is what it is compared with
    assert shelf.centre_box == 0.6


def test_missing_runs_are_named_with_their_plan(monkeypatch):
    plans_hold(monkeypatch, cub30_epsilon=[made(0.0, s) for s in range(3)])
    with pytest.raises(ValueError, match="runs of cub30_epsilon are not stored: `python -m"):
        birds.Birds().sweep  # noqa: B018
    both = [made(e, s) for e in (0.0, 0.3) for s in range(3)]
    plans_hold(monkeypatch, cub30_epsilon=both)
    with pytest.raises(ValueError, match="runs of cub30_sizes are not stored"):
        birds.GALLERY["birds_sizes"](birds.Birds())


def test_every_figure_is_drawn_from_the_committed_records(monkeypatch, tmp_path):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    shelf = birds.Birds()
    for name, draw in birds.GALLERY.items():
        figure, sentence = draw(shelf)
        assert figure.axes and sentence.endswith("."), name
    assert set(birds.TITLES) == set(birds.GALLERY)
