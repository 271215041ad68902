"""Erasing figures: what is drawn is what was hidden, and the sentences are the numbers plotted."""

import numpy as np
import pandas as pd
import pytest
import torch

from entreg_utils.erasing import Hidden
from entreg_utils.figures import erasing as draw

SEEDS = (0, 1, 2)


def table():
    """Two methods, two strengths: CAM gains 0.2 +- 0.01 a seed, ADL swings from -0.2 to 0.2."""
    rows = []
    for seed in SEEDS:
        for method, plain, change in (
            ("cam", 0.5 + 0.1 * seed, 0.2 + 0.01 * (seed - 1)),
            ("adl", 0.6, 0.2 * (seed - 1)),
        ):
            for epsilon, pxap in ((0.0, plain), (0.8, plain + change)):
                rows.append(
                    {
                        "method": method,
                        "epsilon": epsilon,
                        "seed": seed,
                        "pxap": pxap,
                        "max_box_acc_carried": 0.4 + 0.1 * seed,
                        "accuracy": 0.9,
                        "part": 0.8,
                        "body": 0.2 if epsilon == 0 else 0.6 + 0.01 * seed,
                        "context": 0.1,
                    }
                )
    return pd.DataFrame(rows)


def test_hidden_pixels_are_drawn_dark_where_the_mask_says():
    images = torch.ones(2, 3, 4, 4)
    mask = torch.zeros(2, 2, 2, dtype=torch.bool)
    mask[0, 0, 1] = True
    figure, sentence = draw.what_is_hidden(
        [Hidden("cam", images), Hidden("adl", images, {"last": mask})], count=2
    )
    shown = [panel.images[0].get_array() for panel in figure.axes]
    assert len(shown) == 4
    assert np.allclose(shown[0], 1) and np.allclose(shown[3], 1)
    dark = np.isclose(shown[2], 0.15).all(axis=2)
    assert dark[:2, 2:].all() and dark.sum() == 4
    assert sentence == "Hidden on this batch: ADL 0% to 25% of the map at 'last'."
    assert figure.axes[2].get_ylabel() == "ADL"


def test_images_of_whole_numbers_are_shown_in_their_colours():
    images = torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    mask = torch.ones(1, 4, 4, dtype=torch.bool)
    figure, sentence = draw.what_is_hidden([Hidden("has", images, {"image": mask})], count=1)
    assert np.allclose(figure.axes[0].images[0].get_array(), 1)
    assert "HaS 100% to 100% of the image" in sentence


def test_the_comparison_is_on_paired_differences():
    figure, sentence = draw.methods(table(), 0.2, 0.5)
    # CAM: 0.19, 0.20, 0.21, half-width 4.303 x 0.01 / sqrt 3 = 0.02; ADL: s = 0.2, 0.50.
    assert "CAM +0.20 ± 0.02, ADL +0.00 ± 0.50" in sentence
    assert sentence.endswith("leaves zero out for CAM.")
    left = figure.axes[0]
    without, with_er = (bars.lines[0].get_xdata() for bars in left.containers)
    assert np.allclose(without, [0.6, 0.6]) and np.allclose(with_er, [0.8, 0.6])
    assert [text.get_text() for text in left.get_yticklabels()] == ["CAM", "ADL"]
    assert any(np.allclose(line.get_xdata(), 0.2) for line in left.lines)  # the constant map
    assert any(np.allclose(line.get_xdata(), 0.5) for line in figure.axes[1].lines)


def test_the_sentence_says_when_nothing_is_clear():
    unclear = table()[lambda rows: rows.method == "adl"]
    assert draw.methods(unclear, 0.2, 0.5)[1].endswith("leaves zero out for none of them.")


def test_a_run_without_its_pair_is_refused():
    rows = table()
    with pytest.raises(ValueError, match="'adl' has no pair of runs at seed 2"):
        draw.methods(rows[~((rows.method == "adl") & (rows.seed == 2) & (rows.epsilon == 0))], 0, 0)


def test_where_the_light_goes():
    figure, sentence = draw.evidence(table())
    # 0.2 / 0.8 without, the mean of 0.60, 0.61, 0.62 over 0.8 with
    assert "CAM 0.25 and 0.76, ADL 0.25 and 0.76" in sentence
    heights = [bar.get_height() for bar in figure.axes[0].containers[1].patches]
    assert np.allclose(heights, [0.8, 0.8])  # the first group of bars is the mark
