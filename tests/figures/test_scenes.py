"""A grid of pictures with words, and boxes on pictures."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from entreg_utils.figures import PREDICTED, TRUE, scenes

IMAGE = np.linspace(0, 1, 3 * 4 * 6).reshape(3, 4, 6)
SHOWN = IMAGE.transpose(1, 2, 0)


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def test_picture_grid_puts_images_in_order_with_their_words():
    heat = np.arange(24.0).reshape(4, 6)
    figure, panels = scenes.picture_grid(
        [IMAGE, heat, None, heat], ["a", "b"], ["one", "two\nlines"], columns=2, vmin=0, vmax=50
    )
    np.testing.assert_array_equal(drawn(panels[0]), SHOWN)
    np.testing.assert_array_equal(drawn(panels[3]), heat)
    assert panels[1].images[0].get_clim() == (0, 50)
    assert not panels[2].images  # an empty place
    assert [axes.get_title() for axes in panels] == ["a", "b", "", ""]
    assert [axes.get_xlabel() for axes in panels] == ["one", "two\nlines", "", ""]
    assert all(len(axes.get_xticks()) == 0 for axes in figure.axes)


def test_picture_grid_makes_room_for_words_and_for_an_unfinished_row():
    low, panels = scenes.picture_grid([IMAGE] * 3, columns=2)
    high, _ = scenes.picture_grid([IMAGE] * 3, ["a"] * 3, ["x\ny"] * 3, columns=2)
    # two rows of pictures, 4.5 inches wide and 4 by 6; then two lines and a title for each row
    assert low.get_size_inches()[1] == pytest.approx(2 * 4.5 * 4 / 6)
    assert high.get_size_inches()[1] > low.get_size_inches()[1] + 2 * 0.5
    assert len(panels) == 3 and len(low.axes) == 4
    assert not any(spine.get_visible() for spine in low.axes[3].spines.values())


def test_a_box_covers_its_pixels_and_a_true_one_is_dashed_on_a_line_without_gaps():
    seen = {}
    for colour in (PREDICTED, TRUE):
        figure, (axes,) = scenes.picture_grid([np.zeros((3, 20, 20))])
        figure.set_facecolor("black")
        scenes.draw_box(axes, torch.tensor([3, 4, 17, 16]), colour)
        (rim,) = axes.patches
        # pixel i covers i - 0.5 .. i + 0.5, and x1 is the first pixel outside
        assert (rim.get_x(), rim.get_y(), rim.get_width(), rim.get_height()) == (2.5, 3.5, 14, 12)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
        own = abs(pixels - np.round(255 * np.array(to_rgb(colour)))).sum(axis=2) < 30
        seen[colour] = own.sum(), (pixels.sum(axis=2) > 150).sum()  # all that is not black
    (solid, all_solid), (dashes, all_dashes) = seen.values()
    assert 0.4 * solid < dashes < 0.9 * solid
    assert all_dashes == pytest.approx(all_solid, rel=0.05)  # white fills the gaps


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, np.nan]])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(ValueError, match="a box is four finite numbers"):
        scenes.draw_box(None, box, TRUE)
