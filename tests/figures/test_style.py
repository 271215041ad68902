"""How a figure is shown: the picture with its sentence as alternative text, the sentence below."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color

from entreg_utils.figures import style


@pytest.fixture
def line():
    with plt.rc_context():
        style.use_style()
        yield lambda: plt.subplots(figsize=(2, 1.1))[0]
    plt.close("all")


def test_equal_figures_are_equal_bytes_and_closed_afterwards(line):
    first, second = style.png(line()), style.png(line())
    assert first == second
    assert first.startswith(b"\x89PNG") and b"Software" not in first
    assert plt.get_fignums() == []


def test_show_gives_the_picture_its_sentence_and_prints_it_in_lines(line, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(style, "display", lambda bundle, **more: shown.append((bundle, more)))
    sentence = "One two three. " * 20
    style.show((line(), sentence))
    style.show(line(), sentence)  # both ways to call it
    assert shown[0] == shown[1]
    bundle, more = shown[0]
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == sentence
    assert more == {"raw": True, "metadata": {"image/png": {"alt": sentence}}}
    printed = capsys.readouterr().out
    assert printed.split() == 2 * sentence.split()
    assert max(map(len, printed.splitlines())) <= 76


def test_what_is_said_is_wrapped_between_words(capsys):
    style.say("GT-known " * 20, "a" * 80, "end", indent="  ")
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("  ") for line in lines[1:]) and lines[0][0] == "G"
    words = [word for line in lines for word in line.split()]
    assert words == ["GT-known"] * 20 + ["a" * 80, "end"]
    assert [line for line in lines if len(line) > 76] == ["  " + "a" * 80]


def test_student_gives_the_ends_of_the_interval_over_seeds():
    half = 4.3026527 * 1 / 3**0.5  # t_2 s / sqrt 3 with s = 1
    assert style.student([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half))
    with pytest.raises(ValueError, match="at least two seeds"):  # never a bar of length 0
        style.student([1.0])


def test_axes_that_hold_a_picture_have_no_scale(line):
    axes = line().add_subplot()
    style.picture_axes(axes)
    assert list(axes.get_xticks()) == list(axes.get_yticks()) == []
    assert not any(spine.get_visible() for spine in axes.spines.values())


def test_what_is_shown_can_be_captured_in_its_place(line, capsys):
    figure = line()
    with style.captured() as outer:
        style.show(figure, "outer")
        with style.captured() as inner:
            style.show((line(), "inner"))
        assert [sentence for _, sentence in inner] == ["inner"]
    assert outer == [(figure, "outer")]
    assert plt.get_fignums() == [] and capsys.readouterr().out == ""


@pytest.mark.parametrize("classes", [3, 8])
def test_the_entropy_axis_is_stretched_at_both_ends_and_goes_back(classes, line):
    axes, top = line().add_subplot(), np.log(classes)
    style.entropy_axis(axes, classes)
    transform = axes.xaxis.get_transform()
    # the logit of one half is 0, that of three quarters log 3
    assert transform.transform([top / 2, 0.75 * top]) == pytest.approx([0, np.log(3)])
    values = np.linspace(0.01, 0.99, 9) * top
    np.testing.assert_allclose(transform.inverted().transform(transform.transform(values)), values)
    assert np.isfinite(transform.transform([0.0, top])).all()
    assert max(axes.get_xticks()) <= top
    assert str(classes) in axes.get_xlabel() and "nats" in axes.get_xlabel()


# ---- a forest of changes: two intervals in points, colour by the bootstrap

CHANGES = pd.DataFrame(
    {
        "change": [0.05, -0.04, 0.01],
        "low": [0.02, -0.06, -0.01],
        "high": [0.08, -0.01, 0.03],
        "half": [0.07, 0.02, 0.005],
    },
    index=["gain", "loss", "unclear"],
)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    style.forest(axes, CHANGES)
    yield axes
    plt.close(figure)


def test_both_intervals_lie_at_their_ends_in_points(axes):
    lines = {tuple(line.get_xdata()): line.get_ydata()[0] for line in axes.lines}
    drawn = {tuple(round(x, 6) for x in ends): y for ends, y in lines.items()}
    for row, own in enumerate(CHANGES.itertuples()):
        assert drawn[round(100 * own.low, 6), round(100 * own.high, 6)] == row
        ends = 100 * (own.change - own.half), 100 * (own.change + own.half)
        assert row < drawn[tuple(round(x, 6) for x in ends)] < row + 0.5
    assert [text.get_text() for text in axes.texts] == ["+5.0", "-4.0", "+1.0"]


def test_rows_are_named_and_go_down_from_the_first(axes):
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CHANGES.index)
    bottom, top = axes.get_ylim()
    assert bottom > 2 and top < 0


def test_green_says_that_the_bootstrap_leaves_zero_out_on_either_side(axes):
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    green = [same_color(dot.get_color(), style.OKABE_ITO["green"]) for dot in dots]
    assert green == [True, True, False]  # Student's interval of the first holds zero


def test_each_interval_is_labelled_once(axes):
    _, labels = axes.get_legend_handles_labels()
    assert labels == ["95 %, images and seeds", "95 %, seeds alone (Student)"]
