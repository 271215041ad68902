"""Effect sizes: the verdict, part by part, and what is drawn, from changes written by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from entreg_utils.figures import effects


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def row(change, low, high, half, plain=0.40):
    own = {"plain": plain, "treated": plain + change, "change": change, "low": low, "high": high}
    return own | {"half": half, "seeds": 3}


def changes(**rows):
    return pd.DataFrame.from_dict({name: row(*own) for name, own in rows.items()}, orient="index")


CHANGES = changes(
    accuracy=(-0.002, -0.020, 0.016, 0.022, 0.75),
    max_box_acc=(0.024, 0.010, 0.040, 0.030),
    top1_loc=(0.051, 0.030, 0.070, 0.020),
)


def test_the_bar_is_judged_part_by_part():
    parts = effects.against_the_bar(CHANGES).set_index("part")
    assert parts.holds.to_dict() == {
        "MaxBoxAcc (oracle): at least +3 points": False,
        "MaxBoxAcc (oracle): interval above 0": True,
        "Top-1 Loc (0.15): at least +3 points": True,
        "Top-1 Loc (0.15): interval above 0": True,
        "accuracy: not below -1 points": True,
        "accuracy: interval above -1": False,
    }
    assert parts.measured["MaxBoxAcc (oracle): at least +3 points"] == "+2.4"
    assert parts.measured["accuracy: interval above -1"] == "-2.0 to +1.6"


@pytest.mark.parametrize(("change", "low", "holds"), [
    (0.03, 0.001, [True, True]),
    (0.0299, 0.001, [False, True]),
    (0.05, 0.0, [True, False]),
    (-0.04, -0.06, [False, False]),
])  # fmt: skip
def test_the_edges_of_the_bar(change, low, holds):
    table = changes(max_box_acc=(change, low, 0.09, 0.01))
    assert effects.against_the_bar(table, {"max_box_acc": 0.03}).holds.tolist() == holds


@pytest.mark.parametrize(("change", "low", "holds"), [
    (-0.01, -0.02, [True, False]),
    (-0.011, -0.02, [False, False]),
    (0.0, -0.009, [True, True]),
])  # fmt: skip
def test_the_edges_of_what_may_be_lost(change, low, holds):
    table = changes(accuracy=(change, low, 0.01, 0.01))
    assert effects.against_the_bar(table, {"accuracy": -0.01}).holds.tolist() == holds


def test_forest_says_the_verdict_and_draws_both_intervals():
    figure, sentence = effects.forest(CHANGES, "ER at ε = 0.3")
    assert sentence.startswith("ER at ε = 0.3: of 6 parts of what was asked for, 4 hold (")
    assert (
        "2 do not (MaxBoxAcc (oracle), at least +3 points; accuracy, interval above -1)" in sentence
    )
    assert sentence.endswith("The seeds alone, 3 of them, leave zero out for Top-1 Loc (0.15).")
    (axes,) = figure.axes
    titles = [text.get_text() for text in axes.get_yticklabels()]
    assert titles == ["Top-1 Loc (0.15)", "MaxBoxAcc (oracle)", "accuracy"]  # upwards
    drawn = [tuple(np.round(np.array(one.get_xdata(), float), 6)) for one in axes.get_lines()]
    assert (1.0, 4.0) in drawn and (-2.0, 1.6) in drawn  # images and seeds
    assert (3.0, 3.0) in drawn and (-1.0, -1.0) in drawn  # the bar
    assert (0, 0) in drawn
    spans = [c.get_segments()[0][:, 0] for c in axes.collections]  # Student's
    assert any(np.allclose(span, [-0.6, 5.4]) for span in spans)
    words = [text.get_text() for text in axes.texts]
    assert "+2.4   +1.0 to +4.0   (± 3.0)" in words


def test_forest_when_all_holds_or_nothing_does():
    good = changes(max_box_acc=(0.04, 0.02, 0.06, 0.01))
    sentence = effects.forest(good, "ER", {"max_box_acc": 0.03})[1]
    assert "of 2 parts of what was asked for, 2 hold (MaxBoxAcc" in sentence
    assert "; 0 do not. The seeds" in sentence
    bad = changes(max_box_acc=(0.001, -0.02, 0.02, 0.01))
    sentence = effects.forest(bad, "ER", {"max_box_acc": 0.03})[1]
    assert "0 hold; 2 do not (MaxBoxAcc" in sentence and sentence.endswith("none of the scores.")


def methods_table(spread=0.0):
    rows = [
        {"method": m, "epsilon": e, "seed": s, "max_box_acc": box + 0.05 * (e > 0)}
        | {"top1_loc_carried": 0.3, "accuracy": 0.7 + spread * s}
        for m, box in (("cam", 0.40), ("rdap", 0.38))
        for e in (0.0, 0.3)
        for s in (0, 1)
    ]
    return pd.DataFrame(rows)


def test_methods_says_the_changes_and_the_distance_to_the_box():
    by_er = changes(cam=(0.05, 0.02, 0.08, 0.1), rdap=(0.05, -0.01, 0.11, 0.1))
    figure, sentence = effects.methods(methods_table(), by_er, 0.59)
    assert "CAM +5.0 (+2.0 to +8.0), RDAP (our reading) +5.0 (-1.0 to +11.0)" in sentence
    assert "the interval lies above zero for CAM. The best row has 45.0 %" in sentence
    assert sentence.endswith("the centred box 59.0 %.")
    boxes = figure.axes[0]
    assert [text.get_text() for text in boxes.get_yticklabels()] == ["CAM", "RDAP\n(our reading)"]
    drawn = [list(np.round(np.array(one.get_xdata(), float), 6)) for one in boxes.get_lines()]
    assert [40.0, 38.0] in drawn and [45.0, 43.0] in drawn and [59.0, 59.0] in drawn


def gaps(best_low, best_high):
    rows = {
        (name, score): row(-0.1, -0.2, -0.05, 0.01, plain=0.59)
        for name in ("160 px", "224 px")
        for score in effects.RULES
    }
    rows["160 px", "max_box_acc"] = row(0.2, 0.1, 0.3, 0.01, plain=0.59)  # an oracle is no result
    change = (best_low + best_high) / 2
    rows["224 px", "max_box_acc_ivr_carried"] = row(change, best_low, best_high, 0.01, plain=0.59)
    return pd.DataFrame.from_dict(rows, orient="index")


@pytest.mark.parametrize(("low", "high", "verdict"), [
    (0.01, 0.05, "+3.0 points (+1.0 to +5.0); it beats it"),
    (-0.05, -0.01, "-3.0 points (-5.0 to -1.0); it stays below it"),
    (-0.02, 0.04, "+1.0 points (-2.0 to +4.0); it cannot be told from it"),
])  # fmt: skip
def test_ladder_gives_the_verdict_on_the_best_carried_row(low, high, verdict):
    figure, sentence = effects.ladder(gaps(low, high))
    assert "centred box (59.0 %) is 224 px with IVR, carried: " in sentence
    assert verdict in sentence and "the best of 8 as seen on test" in sentence
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["160 px", "224 px"]
    drawn = [list(np.round(np.array(one.get_xdata(), float), 6)) for one in axes.get_lines()]
    assert [20.0, -10.0] in drawn  # the oracle is drawn all the same
    assert "centred box" in axes.get_xlabel()
