"""What is drawn is what was hidden."""

import numpy as np
import torch

from entreg_utils.erasing import Hidden
from entreg_utils.figures.erasing import what_is_hidden


def test_hidden_pixels_are_drawn_dark_where_the_mask_says():
    images = torch.ones(2, 3, 4, 4)
    mask = torch.zeros(2, 2, 2, dtype=torch.bool)
    mask[0, 0, 1] = True
    figure, sentence = what_is_hidden(
        [Hidden("cam", images), Hidden("adl", images, {"last": mask})]
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
    figure, sentence = what_is_hidden([Hidden("has", images, {"image": mask})])
    assert np.allclose(figure.axes[0].images[0].get_array(), 1)
    assert "HaS 100% to 100% of the image" in sentence
