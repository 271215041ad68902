"""Figures of training, from runs written by hand: each map's score is known without computing."""

import dataclasses
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import data, metrics
from entreg_utils.experiments import Config, Run
from entreg_utils.figures import png, training

LOG8 = math.log(8)
# entropy of the smoothed target at eps 1/2 with 8 classes: p_y = 9/16, p_k = 1/16
AIM = 9 / 16 * math.log(16 / 9) + 7 / 16 * math.log(16)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def test_split():
    return data.toy("test", num_images=4, cache=False)


def make_run(test_split, config, order, entropy=(2.0, 1.0, 0.5)):
    """A run of three epochs and two kept images; ``order`` says which epoch's maps are perfect.

    A perfect map is the mask itself (PxAP 1); the others are its negative (PxAP = share of object).
    """
    panel = [2, 0]
    masks = test_split.masks[panel].numpy().astype(np.float32)
    maps = np.stack([masks if good else 1 - masks for good in order])
    pxap = [0.9 if good else 0.2 for good in order]
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss": [2.0, 1.5, 1.0],
            "train_entropy": [value / 2 for value in entropy],
            "test_entropy": entropy,
            "test_accuracy": [0.2, 0.6, 1.0],
            "test_pxap": pxap,
        }
    )
    final = {"entropy": entropy[-1], "accuracy": 1.0, "pxap": pxap[-1]}
    return Run(config, history, final, {}, panel, maps, "")


@pytest.fixture(scope="module")
def decaying(test_split):
    return make_run(test_split, Config(), (False, True, False))


@pytest.fixture(scope="module")
def lasting(test_split):
    config = Config(regularizer="kl_uniform", strength=1.0)  # eps 0.5
    return make_run(test_split, config, (False, True, True), (2.0, 1.9, 1.8))


def share(test_split, index):
    return f"{test_split.masks[index].float().mean():.2f}"


def test_map_strip_draws_the_asked_epochs_and_says_best_and_last(test_split, decaying, lasting):
    figure, sentence = training.map_strip([decaying, lasting], test_split, (1, 2, 3))
    floor = share(test_split, 2)  # the first kept image is number 2 of the split
    assert f"at ε = 0 best at epoch 2 (1.00), {floor} at epoch 3" in sentence
    assert "at ε = 0.5 best at epoch 2 (1.00), 1.00 at epoch 3" in sentence
    first, second = figure.axes[1], figure.axes[2]
    mask = test_split.masks[2].numpy()
    np.testing.assert_array_equal(first.images[0].get_array(), ~mask)
    np.testing.assert_array_equal(second.images[0].get_array(), mask)
    assert (first.get_xlabel(), second.get_xlabel()) == (floor, "1.00")
    assert figure.axes[4].get_ylabel() == "ε = 0.5"


def test_map_strip_of_one_run_and_one_epoch(test_split, decaying):
    figure, _ = training.map_strip([decaying], test_split, (3,), image=1)
    picture, shown = figure.axes
    np.testing.assert_array_equal(
        picture.images[0].get_array(), test_split.images[0].permute(1, 2, 0).numpy()
    )
    np.testing.assert_array_equal(shown.images[0].get_array(), ~test_split.masks[0].numpy())


def test_map_grid_averages_over_the_kept_images(test_split, decaying, lasting):
    figure, sentence = training.map_grid([decaying, lasting], test_split)
    mean = test_split.masks[[0, 2]].float().mean()  # equal sizes: mean of the two shares
    assert f"Mean PxAP of these 2 images: {mean:.2f} at ε = 0; 1.00 at ε = 0.5." == sentence
    assert len(figure.axes) == 6
    assert figure.get_size_inches().max() < 6  # few maps stay small
    assert png(figure).startswith(b"\x89PNG")


def test_dashboard_draws_the_last_map_the_curves_and_what_they_aim_at(test_split, lasting):
    figure, sentence = training.dashboard(lasting, test_split, image=1)
    _, shown, entropy, loss = figure.axes
    np.testing.assert_array_equal(shown.images[0].get_array(), test_split.masks[0].numpy())
    assert shown.get_xlabel() == "PxAP of this map: 1.00"
    np.testing.assert_allclose(entropy.lines[0].get_ydata(), [2.0, 1.9, 1.8])
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [2.0, 1.5, 1.0])
    assert entropy.lines[-1].get_ydata()[0] == pytest.approx(AIM)
    # ER's loss is lower than label smoothing's by eps log C
    assert loss.lines[-1].get_ydata()[0] == pytest.approx(AIM - LOG8 / 2)
    assert "ε = 0.5: entropy 1.80 nats, accuracy 1.000, PxAP 0.90 over all" in sentence
    assert "1.00 on this one (last checkpoint, seed 0)" in sentence


@pytest.mark.parametrize(
    ("config", "aims"),
    [
        (Config(), (0.0, 0.0)),
        (Config(regularizer="label_smoothing", strength=0.5), (AIM, AIM)),
        (Config(regularizer="jsd", strength=0.5), None),
    ],
)
def test_what_other_losses_aim_at(test_split, config, aims):
    run = make_run(test_split, config, (True, True, True))
    figure, _ = training.dashboard(run, test_split)
    entropy, loss = figure.axes[2:]
    if aims is None:
        assert (len(entropy.lines), len(loss.lines)) == (2, 1)
    else:
        drawn = entropy.lines[-1].get_ydata()[0], loss.lines[-1].get_ydata()[0]
        assert drawn == pytest.approx(aims, abs=1e-6)


def test_a_blank_map_is_drawn_and_scored_as_blank(test_split, decaying):
    blank = dataclasses.replace(decaying, maps=np.zeros_like(decaying.maps))
    _, sentence = training.map_strip([blank], test_split, (3,))
    mask = test_split.masks[2].numpy()
    floor = metrics.pixel_average_precision([np.zeros((4, 4))], [mask], size=mask.shape)
    assert floor == pytest.approx(mask.mean())  # a map without information: the share of object
    assert f"{floor:.2f} at epoch 3" in sentence


def test_what_the_runs_do_not_hold_is_refused(test_split, decaying):
    with pytest.raises(ValueError, match=r"epoch 4 is outside 1\.\.3 of toy-none-0-s0"):
        training.map_strip([decaying], test_split, (1, 4))
    with pytest.raises(ValueError, match=r"epoch 0 is outside 1\.\.3"):
        training.map_strip([decaying], test_split, (0,))
    with pytest.raises(ValueError, match=r"image 2 is not kept: .* of 2 test images, 0\.\.1"):
        training.dashboard(decaying, test_split, image=2)
    val = data.toy("val", num_images=4, cache=False)
    with pytest.raises(ValueError, match="belong to the test split of its own world"):
        training.map_grid([decaying], val)
    elsewhere = data.toy("test", num_images=4, cache=False, seed=7)
    with pytest.raises(ValueError, match="belong to the test split of its own world"):
        training.map_strip([decaying], elsewhere, (1,))
