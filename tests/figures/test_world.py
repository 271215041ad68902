"""Figures of notebook 01 on a small drawn world and on numbers written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entreg_utils import data
from entreg_utils.figures import shortcut, world


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def reef():
    return data.load("toy", "test", num_images=24, num_classes=3, body=0.5, cache=False)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_task_names_the_picture_and_its_box(reef):
    figure, sentence = world.task(reef, 2)
    x0, y0, x1, y1 = reef.boxes[2].tolist()
    assert f"({x0}, {y0}) to ({x1}, {y1})" in sentence
    assert reef.class_names[int(reef.labels[2])] in sentence
    rim = figure.axes[1].patches[0]
    assert (rim.get_x(), rim.get_y()) == (x0 - 0.5, y0 - 0.5)
    assert (rim.get_width(), rim.get_height()) == (x1 - x0, y1 - y0)


def test_gallery_has_a_column_a_class(reef):
    figure, sentence = world.gallery(reef, per_class=2)
    assert [axes.get_title() for axes in figure.axes[:3]] == list(reef.class_names)
    for position, axes in enumerate(figure.axes):
        member = np.flatnonzero(reef.labels.numpy() == position % 3)[position // 3]
        shown = np.asarray(axes.images[0].get_array())
        assert np.array_equal(shown, reef.images[member].permute(1, 2, 0).numpy() / 255)
    assert "3 species" in sentence and "24 pictures" in sentence
    with pytest.raises(ValueError, match="per_class is 0"):
        world.gallery(reef, per_class=0)


def test_cue_regions_cover_the_picture_once(reef):
    figure, sentence = world.cue_regions(reef, 0)
    original = reef.images[0].permute(1, 2, 0).numpy() / 255
    kept = [(np.asarray(a.images[0].get_array()) == original).all(axis=2) for a in figure.axes[1:]]
    assert (sum(mask.astype(int) for mask in kept) == 1).all()
    part = float(reef.parts[0].float().mean())
    assert f"part {part:.1%}" in sentence


def test_disagreements_counts_the_cues_that_lie(reef):
    figure, sentence = world.disagreements(reef, [0, 1, 2, 3])
    wrong = (reef.cues[:4] != reef.labels[:4, None]).sum(0).tolist()
    assert f"mark in {wrong[0]}, body in {wrong[1]}, habitat in {wrong[2]}" in sentence
    assert 0 < wrong[1] < 4  # the case is worth testing
    shown = texts(figure.axes[0])
    assert shown[1] == f"body: {reef.class_names[int(reef.cues[0, 1])]}"


def test_part_and_object_boxes(reef):
    boxes = [[1, 2, 5, 6], [0, 0, 4, 4]]
    figure, sentence = world.part_and_object_boxes(reef, [0, 1], boxes, [0.125, 0.25])
    assert "at most 0.25" in sentence
    assert figure.axes[0].get_xlabel() == "IoU 0.12"
    assert len(figure.axes[0].patches) == 2


def test_index_outside_the_split(reef):
    for draw in (world.task, world.cue_regions):
        with pytest.raises(ValueError, match="index 24 is outside this split: it holds 0..23"):
            draw(reef, 24)


def test_reliabilities_counts_the_intervals_that_hold():
    figure, sentence = shortcut.reliabilities([1, 0.9, 0.3], [1, 0.91, 0.2], [0, 0.02, 0.05], 0.125)
    assert "part 1.000, body 0.910, context 0.200; 2 of 3 intervals hold the knob" in sentence
    assert "guessing would give 0.125" in sentence
    assert "0.910" in texts(figure.axes[0])


def test_cue_accuracies_says_the_largest_difference():
    rows = {"table": [1.0, 0.9, 0.3], "colour": [1.0, 0.88, 0.2]}
    figure, sentence = shortcut.cue_accuracies(rows, 0.125)
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.2, 0.3, 0.88, 0.9, 1, 1]
    assert "table: part 1.000, body 0.900, context 0.300" in sentence
    assert "by 0.100 at most" in sentence
    with pytest.raises(ValueError, match="rows is empty"):
        shortcut.cue_accuracies({}, 0.125)


def test_evidence_over_steps_turns_gaps_into_shares():
    gaps = [[1, 1, 0], [3, 1, 1]]
    figure, sentence = shortcut.evidence_over_steps([1, 10], gaps, [2.0, 0.5])
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.5, 0.6]
    assert "From step 1 to step 10 the mean entropy falls from 2.00 to 0.50" in sentence
    assert "from 50% to 60% and the body's from 50% to 20%" in sentence


def test_share_above():
    figure, sentence = shortcut.share_above({"a": [0.2, 0.6], "b": [0.5, 0.8]})
    assert "a 0.500 (mean IoU 0.40), b 1.000 (mean IoU 0.65)" in sentence
    curve = figure.axes[0].lines[0]
    at = dict(zip(np.round(curve.get_xdata(), 3), curve.get_ydata(), strict=True))
    assert (at[0.2], at[0.205], at[0.6], at[0.605]) == (1.0, 0.5, 0.5, 0.0)


def test_chosen_side_scores_every_choice_on_the_last_set():
    curves = {"val": [0.1, 0.9], "test": [0.6, 0.5]}
    _, sentence = shortcut.chosen_side([0.4, 0.8], curves, {"val": 1, "test": 0})
    assert "val: side 0.800, 0.500 on the test set; test: side 0.400, 0.600" in sentence
