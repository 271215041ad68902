"""The limitation: means and bars over seeds, shares of the worth, and maps of the right world."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils import data
from entreg_utils.experiments import Config, Run
from entreg_utils.figures import cooccurring


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def table():
    rows = []
    for agrees, pxap, worth in ((0.3, 0.6, (6, 3, -1)), (1.0, 0.1, (1, 1, 8))):
        for epsilon in (0.0, 0.8):
            for seed in (0, 1):
                rows.append(
                    {
                        "agrees": agrees,
                        "epsilon": epsilon,
                        "seed": seed,
                        "pxap": pxap + epsilon / 10 + 0.02 * seed,
                        "part": 0.9,
                        "body": 0.5,
                        "context": agrees / 2,
                    }
                    | {f"reliance_{cue}": w for cue, w in zip(data.CUES, worth, strict=True)}
                )
    return pd.DataFrame(rows)


def test_scores_says_pxap_and_the_context_s_share():
    figure, sentence = cooccurring.scores(table(), 0.18)
    half = 12.7062047 * 0.02 / 2  # t_1 s / sqrt 2 with s = 0.02 / sqrt 2
    assert f"ε = 0: 0.61 ± {half:.2f} (0.3), 0.11 ± {half:.2f} (1)" in sentence
    assert "a constant map has 0.18" in sentence
    assert "At 1 the context holds 80% (ε = 0) and 80% (ε = 0.8) of the worth" in sentence
    pxap, light, worth = figure.axes
    lines = [list(np.round(c.lines[0].get_ydata().astype(float), 3)) for c in pxap.containers]
    assert lines == [[0.61, 0.11], [0.69, 0.19]]
    shares = [list(np.round(c.lines[0].get_ydata().astype(float), 3)) for c in worth.containers]
    # a worth below zero counts as zero: 6 and 3 of 9
    assert shares[:3] == [[0.667, 0.1], [0.333, 0.1], [0.0, 0.8]]
    assert any(list(one.get_ydata()) == [0.18, 0.18] for one in pxap.get_lines())


@pytest.fixture(scope="module")
def world():
    test = data.toy("test", num_images=3, cache=False)
    masks = test.masks[[0, 2]].numpy().astype(np.float32)
    config = Config()
    perfect = Run(config, pd.DataFrame(), {}, {}, [0, 2], np.stack([0 * masks, masks]), "")
    strong = Config(regularizer="label_smoothing", strength=0.5)
    worst = dataclasses.replace(perfect, config=strong, maps=np.stack([masks, -masks]))
    return test, [perfect, worst]


def test_maps_takes_the_last_epoch_and_scores_each_map(world):
    figure, sentence = cooccurring.maps({"habitat 0.3": world}, images=(0, 1))
    test, _ = world
    grid = np.reshape(figure.axes, (2, 3))
    for row, index in enumerate((0, 2)):
        picture = test.images[index].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(grid[row, 0].images[0].get_array(), picture)
        np.testing.assert_array_equal(
            grid[row, 1].images[0].get_array(), test.masks[index].numpy().astype(float)
        )
        assert grid[row, 1].get_xlabel() == "1.00"
    area = test.masks[[0, 2]].float().mean().item()  # an upside-down map: the frame's precision
    assert sentence == (
        f"Mean PxAP of these 2 pictures at ε = 0 and ε = 0.5: habitat 0.3: 1.00 and {area:.2f}."
    )
    assert [axes.get_title() for axes in grid[0]] == ["habitat 0.3\n", "\nε = 0", "\nε = 0.5"]


def test_maps_refuses_another_world(world):
    other = data.toy("test", num_images=3, cache=False, context=1.0)
    with pytest.raises(ValueError, match="belong to the test split of its own world"):
        cooccurring.maps({"habitat 1": (other, world[1])}, images=(0,))
    with pytest.raises(ValueError, match="image 5 is not kept"):
        cooccurring.maps({"habitat 0.3": world}, images=(5,))
