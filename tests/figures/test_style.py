"""How a figure is shown: the picture with its sentence as alternative text, the sentence below."""

import base64

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color, to_rgb

from entreg_utils.figures import OKABE_ITO, ink, style


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


# ---- texts that can be read


@pytest.mark.parametrize("colour", [*OKABE_ITO, "#777777", "0.6"])
def test_ink_can_be_read_on_white_and_on_bands_and_is_the_lightest_shade_that_can(colour):
    def contrast(rgb, page=(1, 1, 1)):  # WCAG 2: ratio of (relative luminance + 0.05)
        dark, light = (
            [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in own]
            for own in (rgb, page)
        )
        weights = np.array([0.2126, 0.7152, 0.0722])
        return (weights @ light + 0.05) / (weights @ dark + 0.05)

    plain, dark = to_rgb(OKABE_ITO.get(colour, colour)), to_rgb(ink(colour))
    assert contrast(dark) >= 5.6
    for band in [*OKABE_ITO.values()][1:]:
        assert contrast(dark, 0.85 + 0.15 * np.array(to_rgb(band))) >= 4.5
    if contrast(plain) >= 5.6:
        assert dark == pytest.approx(plain, abs=0.003)
    else:
        assert contrast(dark) < 5.8
        ratios = np.array(dark)[np.array(plain) > 0.2] / np.array(plain)[np.array(plain) > 0.2]
        assert np.ptp(ratios) < 0.03  # the same hue


def test_texts_that_cannot_be_read_are_found_on_what_is_under_them(monkeypatch):
    box = {"fc": "white", "ec": "none"}
    figure, axes = plt.subplots(figsize=(6, 4.1))
    axes.imshow(np.zeros((9, 9)), cmap="gray", aspect="auto")
    axes.tick_params(labelcolor="0.4")
    axes.axhline(1.1, color="white")  # a line that crosses texts is no ground
    texts = {
        "black on black": {},
        "white on black": {"color": "white"},
        "grey on black": {"color": "0.4"},
        "boxed": {"bbox": box},
        "white, boxed": {"bbox": box, "color": "white"},
        "see-through": {"color": "white", "alpha": 0.3},
        "hidden": {"visible": False},
    }
    for row, (text, how) in enumerate(texts.items()):
        axes.text(0, row, text, **how)
    axes.set_xlabel("light", color=OKABE_ITO["skyblue"])
    axes.set_ylabel("dark", color=ink("skyblue"))
    wrong = {"black on black", "grey on black", "white, boxed", "see-through", "light"}
    before = style.png(figure)
    assert set(style.faint(figure)) == wrong
    assert style.png(figure) == before  # it draws as it did
    monkeypatch.setenv("ENTREG_CONTRAST", "1")
    with pytest.raises(ValueError, match=r"no contrast in \[.*'light'.*give ink\(colour\)"):
        style.show(figure, "A sentence.")


# ---- a forest of changes


def test_a_forest_has_two_intervals_a_row_in_points_and_green_where_the_bootstrap_leaves_zero_out():
    rows = {"gain": (0.05, 0.02, 0.08, 0.07), "loss": (-0.04, -0.06, -0.01, 0.02)}
    rows["unclear"] = 0.01, -0.01, 0.03, 0.005
    changes = pd.DataFrame(rows, index=["change", "low", "high", "half"]).T
    _, axes = plt.subplots()
    style.forest(axes, changes)
    lines = {tuple(np.round(line.get_xdata(), 6)): line.get_ydata()[0] for line in axes.lines}
    for row, (change, low, high, half) in enumerate(rows.values()):
        assert lines[round(100 * low, 6), round(100 * high, 6)] == row
        ends = round(100 * (change - half), 6), round(100 * (change + half), 6)
        assert row < lines[ends] < row + 0.5
    assert [text.get_text() for text in axes.texts] == ["+5.0", "-4.0", "+1.0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(rows)
    bottom, top = axes.get_ylim()
    assert bottom > 2 and top < 0  # from the top
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    green = [same_color(dot.get_color(), OKABE_ITO["green"]) for dot in dots]
    assert green == [True, True, False]  # Student's interval of the first holds zero
    _, labels = axes.get_legend_handles_labels()  # once each
    assert labels == ["95 %, images and seeds", "95 %, seeds alone (Student)"]
