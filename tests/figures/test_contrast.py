"""Texts of figures that cannot be read, and the shade of a colour in which they can."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from entreg_utils.figures import OKABE_ITO, ink, png, show
from entreg_utils.figures.contrast import faint


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
    before = png(figure)
    assert set(faint(figure)) == wrong
    assert png(figure) == before  # it draws as it did
    monkeypatch.setenv("ENTREG_CONTRAST", "1")
    with pytest.raises(ValueError, match=r"no contrast in \[.*'light'.*give ink\(colour\)"):
        show(figure, "A sentence.")
