"""Inside the network: scales are shared, energies are means over channels, sentences count."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from entreg_utils import cam
from entreg_utils.figures import stages


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


IMAGES = torch.linspace(0, 1, 2 * 3 * 16).reshape(2, 3, 4, 4)
MASKS = torch.zeros(2, 4, 4, dtype=torch.bool)
MASKS[:, 1:3, 1:3] = True
CORNER = torch.tensor([[4.0, 0], [0, 0]])
# energies: a quarter of the corner's 4 in one network, half of it in the other, at both images
PLAIN = {"stage1": torch.stack([CORNER, 0 * CORNER, 0 * CORNER, 0 * CORNER]).repeat(2, 1, 1, 1)}
ER = {"stage1": torch.stack([CORNER, CORNER, 0 * CORNER, 0 * CORNER]).repeat(2, 1, 1, 1)}
FEATURES = {"ε = 0": PLAIN, "ε = 0.8": ER}


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible() and axes.images]


def test_beside_has_one_scale_for_both_networks_and_all_images():
    figure, sentence = stages.beside(IMAGES, FEATURES, masks=MASKS)
    pictures = shown(figure)
    assert len(pictures) == 6
    np.testing.assert_allclose(drawn(pictures[1]), CORNER / 4)
    np.testing.assert_allclose(drawn(pictures[2]), CORNER / 2)
    for row in (0, 1):
        for column in (1, 2):
            assert pictures[3 * row + column].images[0].get_clim() == (0, 2)
    assert [axes.get_title() for axes in pictures[:3]] == [
        "picture",
        "stage1\nε = 0",
        "stage1\nε = 0.8",
    ]
    assert sentence.startswith(
        "Mean energy in these 2 pictures: stage1 0.25 (ε = 0) and 0.50 (ε = 0.8), likeness 1.00. "
    )
    bar = figure.axes[-1]
    assert [text.get_text() for text in bar.get_xticklabels()] == ["0", "2"]


def test_class_maps_are_stretched_each_by_itself_and_say_their_range():
    large = {"ε = 0": 9 * CORNER.repeat(2, 1, 1), "ε = 0.8": -CORNER.repeat(2, 1, 1)}
    figure, sentence = stages.beside(IMAGES, FEATURES, large)
    pictures = shown(figure)
    assert pictures[3].get_xlabel() == "0.0 to 36.0"
    assert pictures[4].get_xlabel() == "-4.0 to 0.0"
    expected = cam.normalize(cam.upsample(large["ε = 0.8"][:1].numpy(), 4))[0]
    np.testing.assert_allclose(drawn(pictures[4]), expected)
    assert "likeness of the class maps -1.00" in sentence


def test_one_stage_shows_the_loudest_channels_on_one_scale():
    quiet = torch.stack([CORNER, 3 * CORNER, 2 * CORNER])[None]
    features = {"a": {"last": quiet}, "b": {"last": quiet / 2}}
    figure, sentence = stages.one_stage(IMAGES[0], features, "last", top=2, mask=MASKS[0])
    pictures = shown(figure)
    assert [axes.get_title() for axes in pictures[:4]] == [
        "",
        "last: energy",
        "channel 1",
        "channel 2",
    ]
    np.testing.assert_allclose(drawn(pictures[1]), 2 * CORNER)
    assert pictures[1].images[0].get_clim() == pictures[5].images[0].get_clim() == (0, 8)
    assert pictures[2].images[0].get_clim() == pictures[7].images[0].get_clim() == (0, 12)
    assert sentence == (
        "last: a: mean energy 2.00, 83% of it in the 2 strongest of 3 channels; "
        "b: mean energy 1.00, 83% of it in the 2 strongest of 3 channels."
    )


def test_bad_input_is_a_sentence():
    with pytest.raises(ValueError, match="the same stages"):
        stages.beside(IMAGES, {"a": PLAIN, "b": {"other": ER["stage1"]}})
    with pytest.raises(ValueError, match="2 pictures need"):
        stages.beside(IMAGES, {"a": {"stage1": ER["stage1"][:1]}})
    with pytest.raises(ValueError, match="no stage 'stage7': there are stage1"):
        stages.one_stage(IMAGES[0], FEATURES, "stage7")
    with pytest.raises(ValueError, match="top is 5"):
        stages.one_stage(IMAGES[0], FEATURES, "stage1", top=5)


TABLE = pd.DataFrame(
    {
        "epsilon": [0.0, 0.0, 0.8, 0.8],
        "stage": ["stage1", "stage2"] * 2,
        "part": [0.2, 0.1, 0.1, 0.2],
        "body": [0.4, 0.2, 0.2, 0.4],
        "context": [0.4, 0.7, 0.7, 0.4],
        "half_part": 0.01,
        "half_body": 0.02,
        "half_context": 0.03,
    }
)


def test_energy_draws_a_line_a_network_beside_an_even_map():
    areas = {"part": 0.05, "body": 0.15, "context": 0.8}
    figure, sentence = stages.energy(TABLE, areas)
    assert sentence == (
        "Share of the energy on the object, part and rest together, after stage1, stage2: "
        "ε = 0 0.60, 0.30; ε = 0.8 0.30, 0.60; an even map has 0.20."
    )
    part = figure.axes[0]
    lines = [list(container.lines[0].get_ydata()) for container in part.containers]
    assert lines == [[0.2, 0.1], [0.1, 0.2]]
    assert any(list(one.get_ydata()) == [0.05, 0.05] for one in part.get_lines())
    for axes, top in zip(figure.axes, (0.2, 0.4, 0.8), strict=True):
        assert axes.get_ylim()[0] == 0 and axes.get_ylim()[1] > top


def test_listening_compares_part_and_body_and_cuts_nothing_off():
    table = TABLE.assign(part=[0.3, 0.2, 0.1, 1.4])
    figure, sentence = stages.listening(table)
    assert sentence.endswith(
        "stage1 0.75 (ε = 0), 0.50 (ε = 0.8); stage2 1.00 (ε = 0), 3.50 (ε = 0.8)."
    )
    assert [axes.get_title() for axes in figure.axes] == ["stage1", "stage2"]
    assert all(axes.get_ylim()[1] > 1.4 for axes in figure.axes)
    drawn_lines = [list(c.lines[0].get_ydata()) for c in figure.axes[1].containers]
    assert drawn_lines == [[0.2, 1.4], [0.2, 0.4], [0.7, 0.4]]
