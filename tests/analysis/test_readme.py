"""The report on photographs, from outcomes written by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from entreg_utils.analysis import reports


def made(epsilon, seed, found, right, val):
    """A run of ten images, ``found`` of them located at every threshold, ``right`` named."""
    hits = np.zeros((10, 1000), bool)
    hits[:found] = True
    scores = dict.fromkeys(("max_box_acc", "max_box_acc_carried", "gt_known"), found / 10)
    return SimpleNamespace(
        config=SimpleNamespace(epsilon=epsilon, seed=seed, sigma=0.15, method="cam"),
        metrics=scores
        | {"accuracy": right / 10, "entropy": 1.0, "top1_loc": min(found, right) / 10}
        | {"box_threshold": 0.5, "centre_box": 0.6, "val_max_box_acc": val},
        outcomes={
            "hits": hits,
            "right": np.arange(10) < right,
            "centre_box": np.arange(10) < 6,
        },
    )


RUNS = [
    *(made(0.0, seed, 4, 8, 0.5) for seed in (0, 1)),
    *(made(0.3, seed, 5, 7, 0.6) for seed in (0, 1)),
    *(made(0.6, seed, 9, 5, 0.4) for seed in (0, 1)),  # best on test, and not on validation
]


def test_epsilon_is_chosen_on_validation_and_reported_on_test():
    text = reports.photographs(RUNS)
    assert "From ε = 0 to ε = 0.3, chosen on validation" in text
    assert "MaxBoxAcc (oracle) +10.0 (" in text and "accuracy -10.0 (" in text
    assert "at ε = 0.3 lies 10.0 points below a centred box" in text


def test_the_table_has_a_row_a_strength_and_the_box_under_its_own_score():
    lines = reports.photographs(RUNS).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == [
        "| 0",
        "| 0.3",
        "| 0.6",
        "| centred box",
    ]
    header = [cell.strip() for cell in lines[0].split("|")]
    cells = [cell.strip() for cell in lines[5].split("|")]
    assert cells[header.index("MaxBoxAcc (oracle)")] == "0.600"
    assert set(cells) == {"", "-", "0.600", "centred box"} and "PxAP" not in header


def test_a_change_needs_both_sides():
    with pytest.raises(ValueError, match="runs at epsilon 0 and at another"):
        reports.photographs(RUNS[2:])
    with pytest.raises(ValueError, match="runs at epsilon 0 and at another"):
        reports.photographs(RUNS[:2])


def test_the_size_is_validations_choice_and_the_sign_is_said():
    def group(epsilon, found, val):
        return [made(epsilon, seed, found, 8, val) for seed in (0, 1)]

    groups = {(160, 0.0): group(0.0, 4, 0.5), (160, 0.3): group(0.3, 5, 0.9)}
    groups |= {(288, 0.0): group(0.0, 7, 0.6), (288, 0.3): group(0.3, 5, 0.4)}
    text = reports.at_other_sizes(groups | {(320, 0.0): group(0.0, 9, 0.99)})  # half of a pair
    assert "photographs of 288 pixels" in text
    assert "MaxBoxAcc 0.700 at ε = 0, +10.0 points against the centred box (" in text
    assert "from ε = 0 to ε = 0.3 it changes by -20.0 (" in text
    with pytest.raises(ValueError, match="needs one size"):
        reports.at_other_sizes({(160, 0.0): groups[160, 0.0]})
