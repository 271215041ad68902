"""How a figure is shown: the picture with its sentence as alternative text, the sentence below."""

import base64

import matplotlib.pyplot as plt
import pytest

from entreg_utils.figures import style


@pytest.fixture
def line():
    with plt.rc_context():
        style.use_style()
        yield lambda: plt.subplots(figsize=(2, 1))[0]
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
    figure = line()
    style.show((figure, sentence))
    ((bundle, more),) = shown
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == sentence
    assert more == {"raw": True, "metadata": {"image/png": {"alt": sentence}}}
    printed = capsys.readouterr().out
    assert printed.split() == sentence.split()
    assert max(map(len, printed.splitlines())) <= 100


def test_show_takes_figure_and_sentence_apart_as_well(line, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(style, "display", lambda bundle, **more: shown.append(more))
    style.show(line(), "Read me.")
    assert shown[0]["metadata"] == {"image/png": {"alt": "Read me."}}
    assert capsys.readouterr().out == "Read me.\n"


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


def test_the_palette_is_okabe_and_itos():
    assert style.OKABE_ITO["blue"] == "#0072B2" and style.OKABE_ITO["vermillion"] == "#D55E00"
    assert len(set(style.OKABE_ITO.values())) == 8
