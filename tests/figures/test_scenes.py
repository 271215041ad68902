"""A grid of pictures with words, boxes on pictures, and a loss over three classes."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from entreg_utils import losses
from entreg_utils.figures import PREDICTED, TRUE, png, scenes

IMAGE = np.linspace(0, 1, 3 * 4 * 6).reshape(3, 4, 6)
SHOWN = IMAGE.transpose(1, 2, 0)


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


@pytest.mark.parametrize(
    "image",
    [IMAGE, SHOWN, torch.from_numpy(IMAGE), torch.from_numpy(IMAGE).requires_grad_()],
    ids=["channels first", "channels last", "tensor", "tensor with a gradient"],
)
def test_as_picture_takes_any_layout_and_gives_a_copy(image):
    picture = scenes.as_picture(image)
    np.testing.assert_array_equal(picture, SHOWN)
    picture[:] = 7
    assert IMAGE[0, 0, 0] == 0


def test_as_picture_scales_bytes():
    bytes_ = torch.full((3, 2, 2), 51, dtype=torch.uint8)
    assert scenes.as_picture(bytes_).tolist() == np.full((2, 2, 3), 0.2).tolist()


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4)])
def test_as_picture_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"shape \(.*4, 4\), but must be \(3, H, W\)"):
        scenes.as_picture(np.zeros(shape))


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


@pytest.mark.parametrize(
    ("colour", "given", "dashed"),
    [(PREDICTED, False, False), (PREDICTED, True, True), (PREDICTED, None, False)]
    + [(TRUE, False, False), (TRUE, None, True)],
)
def test_a_box_covers_its_pixels(colour, given, dashed):
    figure, (axes,) = scenes.picture_grid([IMAGE])
    scenes.draw_box(axes, torch.tensor([1, 2, 5, 4]), colour, dashed=given)
    (rim,) = axes.patches
    # pixel i covers i - 0.5 .. i + 0.5, and x1 is the first pixel outside
    assert (rim.get_x(), rim.get_y(), rim.get_width(), rim.get_height()) == (0.5, 1.5, 4, 2)
    assert (rim.get_linestyle() == "-") is not dashed
    assert png(figure).startswith(b"\x89PNG")


def test_a_dashed_box_lies_on_a_line_without_gaps():
    def coloured(dashed):
        figure, (axes,) = scenes.picture_grid([np.zeros((3, 20, 20))])
        scenes.draw_box(axes, (3, 3, 17, 17), TRUE, dashed)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
        red = (abs(pixels - (213, 94, 0)).sum(axis=2) < 30).sum()
        return red, (pixels.sum(axis=2) > 200).sum()  # red pixels, and all that are not black

    (solid, all_solid), (dashes, all_dashes) = coloured(False), coloured(True)
    assert 0.4 * solid < dashes < 0.9 * solid
    assert all_dashes == pytest.approx(all_solid, rel=0.05)  # white fills the gaps


def test_triangle_has_the_classes_in_its_corners():
    _, axes = plt.subplots()
    image = scenes.triangle(axes, losses.kl_uniform, 1.5, [0.1, 1.0])
    field = np.asarray(image.get_array())
    assert field[100, 150] == pytest.approx(0, abs=1e-6) and field.min() >= -1e-9  # uniform
    # p = (1/2, 1/4, 1/4) stands half way up
    wanted = -math.log(3) - (math.log(0.5) + 2 * math.log(0.25)) / 3
    assert field[150, 150] == pytest.approx(wanted, abs=1e-6)
    assert image.get_extent() == [0, 1, 0, math.sqrt(3) / 2]
    first = scenes.triangle(axes, lambda z: z.softmax(1)[:, 0], 1, [0.5])
    left = scenes.triangle(axes, lambda z: z.softmax(1)[:, 1], 1, [0.5])
    assert np.asarray(first.get_array())[300, 150] == pytest.approx(1, abs=1e-3)
    assert np.asarray(left.get_array())[0, 0] == pytest.approx(1, abs=1e-3)
