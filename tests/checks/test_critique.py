"""The checklist: every item sound, weak and missing, and errata."""

import math

import pytest

from entreg_utils.checks import critique

SOUND = {
    "metric": "MaxBoxAcc",
    "threshold": "carried",
    "checkpoint": "last",
    "choices": "validation",
    "normalisation": "min-max",
    "cam_class": "true",
    "seeds": 3,
    "interval": (0.5, 4.0),
    "baselines": ["centred box"],
    "gain": 2.0,
}


def test_a_whole_claim_is_sound():
    table = critique.review(SOUND)
    assert list(table.index) == list(critique.ITEMS)
    assert set(table.verdict) == {"sound"} and set(table.why) == {""}
    assert table.claimed["interval"] == "0.5, 4"


def test_silence_is_missing():
    table = critique.review({})
    assert set(table.verdict) == {"missing"}
    assert all(table.why) and set(table.claimed) == {"-"}


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ("gain", 2.0, "sound"),
        ("gain", -2.0, "sound"),
        ("metric", "localisation", "missing"),
        ("metric", ["MaxBoxAcc"], "missing"),
        ("threshold", "oracle", "weak"),
        ("threshold", "fixed", "sound"),
        ("threshold", 0.15, "missing"),
        ("checkpoint", "test", "weak"),
        ("checkpoint", "validation", "sound"),
        ("choices", "test", "weak"),
        ("normalisation", "IVR", "sound"),
        ("cam_class", "predicted", "sound"),
        ("seeds", 1, "weak"),
        ("seeds", True, "missing"),
        ("seeds", 3.0, "sound"),
        ("seeds", 2.5, "missing"),
        ("seeds", math.nan, "missing"),
        ("interval", (4.0, 0.5), "missing"),
        ("interval", 2.0, "missing"),
        ("baselines", "centred box", "sound"),
        ("baselines", ["CAM"], "weak"),
        ("baselines", [], "missing"),
        ("gain", "large", "missing"),
    ],
)
def test_each_item(item, value, expected):
    assert critique.review(SOUND | {item: value}).verdict[item] == expected


def test_a_gain_is_held_against_its_interval():
    for ends, expected in (((-0.5, 4.0), "weak"), (None, "weak"), ((0.5, 4.0), "sound")):
        assert critique.review(SOUND | {"interval": ends}).verdict["gain"] == expected


def test_pixel_scores_need_a_constant_map_and_no_threshold():
    claims = SOUND | {"metric": "PxAP", "threshold": None}
    table = critique.review(claims)
    assert table.verdict["threshold"] == "sound"
    assert table.verdict["baselines"] == "weak"
    assert "constant map" in table.why["baselines"]


def test_errata_have_one_check_each():
    table = critique.errata({number: f"checked {number}" for number in range(1, 15)})
    assert list(table.index) == list(range(1, 15)) and table.check[14] == "checked 14"
    assert table.holds[6] == "that is Jeffreys' divergence"
    for numbers in (range(1, 14), range(1, 16)):
        with pytest.raises(ValueError, match="14|15"):
            critique.errata(dict.fromkeys(numbers, ""))
