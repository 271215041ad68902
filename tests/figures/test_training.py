"""Figures of training, from runs written by hand: each map's score is known without computing."""

import dataclasses
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import data
from entreg_utils.experiments import Config, Run
from entreg_utils.figures import training

LOG8 = math.log(8)
# entropy of the smoothed target at eps 1/2 with 8 classes: p_y = 9/16, p_k = 1/16
AIM = 9 / 16 * math.log(16 / 9) + 7 / 16 * math.log(16)


@pytest.fixture(scope="module")
def test_split():
    return data.toy("test", num_images=4, cache=False)


def make_run(test_split, config, order, entropy=(2.0, 1.0, 0.5)):
    """A run of three epochs and two kept images; ``order`` says in which epochs maps are the mask
    itself (PxAP 1), not its negative (PxAP = share of object)."""
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
def lasting(test_split):
    config = Config(regularizer="kl_uniform", strength=1.0)  # eps 0.5
    return make_run(test_split, config, (False, True, True), (2.0, 1.9, 1.8))


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


def test_a_map_is_that_of_its_epoch_and_image_and_says_its_pxap(test_split, lasting):
    _, panels = plt.subplots(1, 3)
    scores = [
        training.draw_map(panels[0], lasting, test_split, image=0, epoch=1),
        training.draw_map(panels[1], lasting, test_split, image=0, epoch=2),
        training.draw_map(panels[2], lasting, test_split, image=1),  # the last epoch
    ]
    own, other = test_split.masks[2].numpy(), test_split.masks[0].numpy()
    for axes, drawn in zip(panels, (~own, own, other), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), drawn)
    assert scores == pytest.approx([own.mean(), 1, 1])
    assert [axes.get_xlabel() for axes in panels] == [f"{score:.2f}" for score in scores]
    blank = dataclasses.replace(lasting, maps=np.zeros_like(lasting.maps))
    score = training.draw_map(panels[0], blank, test_split, image=0)
    assert score == pytest.approx(own.mean())  # the share of object


def test_what_the_run_does_not_hold_is_refused(test_split, lasting):
    with pytest.raises(ValueError, match=r"image 2 is not kept: .* of 2 test images, 0\.\.1"):
        training.dashboard(lasting, test_split, image=2)
    few = {"num_images": 4, "cache": False}
    others = data.toy("val", **few), data.toy("test", seed=7, **few), data.shoal("test", **few)
    for split in others:
        with pytest.raises(ValueError, match="belong to the test split of its own world"):
            training.draw_map(plt.figure().add_subplot(), lasting, split, image=0)
    several = dataclasses.replace(lasting, config=Config(dataset="shoal", multilabel="softmax"))
    with pytest.raises(ValueError, match="shoal-.* one object an image"):
        training.check_image(several, others[-1], image=0)
