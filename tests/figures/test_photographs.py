"""Figures of the sweep on photographs: sentences and curves from tables written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils.figures import photographs


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


# two seeds a strength, their difference d giving a half-width of 12.706 d / 2 = 6.353 d
MEANS = {
    "epsilon": [0.0, 0.3, 0.9],
    "max_box_acc": [0.44, 0.47, 0.41],
    "max_box_acc_carried": [0.42, 0.46, 0.40],
    "gt_known": [0.34, 0.41, 0.38],
    "top1_loc": [0.28, 0.34, 0.25],
    "accuracy": [0.75, 0.76, 0.60],
    "entropy": [0.5, 2.3, 3.2],
}


def table(spread=0.002):
    rows = pd.DataFrame(MEANS)
    scores = [name for name in MEANS if name != "epsilon"]
    low, high = rows.copy(), rows.copy()
    low[scores] -= spread / 2
    high[scores] += spread / 2
    both = pd.concat([low.assign(seed=0), high.assign(seed=1)], ignore_index=True)
    return both.assign(centre_box=0.59)


def history():
    rows = []
    for epsilon, path in {
        0.0: [(1.5, 0.49, 0.60), (0.9, 0.50, 0.70), (0.5, 0.44, 0.75)],
        0.3: [(2.9, 0.48, 0.61), (2.6, 0.49, 0.72), (2.3, 0.47, 0.76)],
        0.9: [(3.4, 0.40, 0.40), (3.3, 0.43, 0.55), (3.2, 0.43, 0.60)],
    }.items():
        for epoch, (entropy, box, accuracy) in enumerate(path, start=1):
            for seed in (0, 1):
                seen = np.nan if epsilon == 0.9 else 1.0  # test was not watched there
                rows.append(
                    {"epsilon": epsilon, "seed": seed, "epoch": epoch}
                    | {"val_entropy": entropy, "val_max_box_acc": box, "val_accuracy": accuracy}
                    | {"test_entropy": seen * entropy, "test_max_box_acc": seen * box}
                    | {"test_accuracy": seen * accuracy}
                )
    return pd.DataFrame(rows)


def line(axes, label):
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return found


def test_strengths_says_what_is_plotted():
    figure, sentence = photographs.strengths(table(), 0.59, chosen=0.3)
    assert "at ε = 0.3 (grey, chosen on validation)" in sentence
    assert "MaxBoxAcc (oracle) 44.0 ± 1.3 and 47.0 ± 1.3;" in sentence
    assert "Top-1 Loc (0.15) 28.0 ± 1.3 and 34.0 ± 1.3; accuracy 75.0 ± 1.3 and 76.0" in sentence
    assert sentence.endswith("The centred box has 59.0, and no strength reaches it.")
    left, right = figure.axes
    for score in ("max_box_acc", "max_box_acc_carried", "gt_known", "top1_loc"):
        drawn = line(left, photographs.TITLES[score]).get_ydata()
        np.testing.assert_allclose(drawn, 100 * np.array(MEANS[score]))
    np.testing.assert_allclose(line(right, "accuracy").get_ydata(), [75, 76, 60])
    assert any(list(one.get_ydata()) == [59.0, 59.0] for one in left.get_lines())
    assert left.get_ylim()[1] > 59
    assert left.get_xlabel().startswith("ε") and "%" in left.get_ylabel()


def test_strengths_names_the_strengths_above_the_centred_box():
    sentence = photographs.strengths(table(), 0.43, chosen=0.3)[1]
    assert sentence.endswith("43.0, and MaxBoxAcc lies above it at ε = 0, 0.3.")


def test_bands_are_the_intervals():
    figure, _ = photographs.strengths(table(0.02), 0.59, chosen=0.3)
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    half = 100 * 12.7062047 * 0.02 / 2
    at_zero = band[np.isclose(band[:, 0], 0), 1]
    assert at_zero.min() == pytest.approx(44 - half)
    assert at_zero.max() == pytest.approx(44 + half)


def test_plane_draws_the_watched_paths_alone():
    figure, sentence = photographs.plane(table(), history())
    assert "highest at ε = 0.3 (47.0 ± 1.3 %, entropy 2.30 nats)" in sentence
    assert (
        "along the epochs of ε = 0 it is 49.0 after the first, 50.0 at best (epoch 2, entropy "
        "0.90) and 44.0 after the last (entropy 0.50)" in sentence
    )
    assert "epochs of ε = 0.9" not in sentence
    assert sentence.endswith("The centred box has 59.0.")
    for axes, name in zip(figure.axes, ("max_box_acc", "accuracy"), strict=True):
        assert "entropy" in axes.get_xlabel() and "nats" in axes.get_xlabel()
        words = ["epoch 2"] * 2 * (name == "accuracy") + ["0", "0.3", "0.9"]
        assert [text.get_text() for text in axes.texts] == words
        path = line(axes, "ε = 0, epochs 2 to 3")
        np.testing.assert_allclose(path.get_xdata(), [0.9, 0.5])
        assert path.get_ydata()[-1] == pytest.approx({"max_box_acc": 44, "accuracy": 75}[name])
        drawn = [one.get_ydata().astype(float) for one in axes.get_lines()]
        assert any(len(one) == 3 and np.allclose(one, 100 * np.array(MEANS[name])) for one in drawn)
        assert len([one for one in axes.get_lines() if "epochs" in one.get_label()]) == 2


def test_epochs_has_all_strengths_and_finds_the_loss():
    figure, sentence = photographs.epochs(history())
    assert "at ε = 0 MaxBoxAcc (oracle) is 50.0 % at its best epoch (2) and 6.0 points" in sentence
    assert "ε = 0.9 loses least between best and last epoch, 0.0 points" in sentence
    assert len(figure.axes) == 3
    boxes, accuracy, entropy = figure.axes
    for axes in figure.axes:
        assert [one.get_label() for one in axes.get_lines()] == ["0", "0.3", "0.9"]
    np.testing.assert_allclose(line(boxes, "0.9").get_ydata(), [43, 43])
    np.testing.assert_allclose(line(accuracy, "0").get_ydata(), [70, 75])
    np.testing.assert_allclose(line(entropy, "0.3").get_ydata(), [2.6, 2.3])
    colours = {one.get_color() if isinstance(one.get_color(), str) else tuple(one.get_color())
               for one in boxes.get_lines()}  # fmt: skip
    assert len(colours) == 3
