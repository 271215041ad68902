"""What is made from records: README's blocks, and the records that come with the project."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import records

from entreg_utils.analysis import by
from entreg_utils.experiments import grids, store

ROOT = Path(__file__).resolve().parents[1]
START, END = records.marks("headline")


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


def test_epsilon_is_chosen_on_validation_and_reported_on_test_with_the_box_under_its_own_score():
    text = records.by_epsilon({epsilon: own for (epsilon,), own in by(RUNS, "epsilon").items()})
    assert "From ε = 0 to ε = 0.3, chosen on validation" in text
    assert "MaxBoxAcc (oracle) +10.0 (" in text and "accuracy -10.0 (" in text
    assert "at ε = 0.3 lies 10.0 points below a centred box" in text
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()[:6]]
    assert [row[1] for row in rows[2:]] == ["0", "0.3", "0.6", "centred box"]
    assert rows[5][rows[0].index("MaxBoxAcc (oracle)")] == "0.600"
    assert set(rows[5]) == {"", "-", "0.600", "centred box"} and "PxAP" not in rows[0]


def test_the_size_is_validations_choice_and_the_sign_is_said():
    def group(epsilon, found, val):
        return [made(epsilon, seed, found, 8, val) for seed in (0, 1)]

    groups = {(160, 0.0): group(0.0, 4, 0.5), (160, 0.3): group(0.3, 5, 0.9)}
    groups |= {(288, 0.0): group(0.0, 7, 0.6), (288, 0.3): group(0.3, 5, 0.4)}
    text = records.at_other_sizes(groups | {(320, 0.0): group(0.0, 9, 0.99)})  # half of a pair
    assert "photographs of 288 pixels" in text
    assert "MaxBoxAcc 0.700 at ε = 0, +10.0 points against the centred box (" in text
    assert "from ε = 0 to ε = 0.3 it changes by -20.0 (" in text


def test_only_the_block_between_the_marks_is_replaced():
    text = f"title\n{START}\nold | old\n{END}\nrest\n"
    assert records.with_block(text, "headline", "new") == f"title\n{START}\nnew\n{END}\nrest\n"
    with pytest.raises(ValueError, match="no block between .*headline.* put it back"):
        records.with_block("title\n", "headline", "new")


def test_readme_shows_what_the_committed_records_say(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    assert all(store.find(config) for config in grids.ALL), "run `make records`"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    made = {name: getattr(records, name)() for name in ("headline", "photographs")}
    made["verdict"] = records.verdict(ROOT)
    for name, report in made.items():
        assert records.with_block(text, name, report) == text, "run `make records`"
    assert not list(tmp_path.glob("*.json"))


def test_records_come_with_the_checkpoints_that_notebooks_open(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for config in grids.ALL:
        (source / f"{config.name}.json").write_text(config.name)
        (source / f"{config.name}.pt").write_text(config.name)
    target.mkdir()
    (target / f"{grids.EXAMPLE.name}.json").write_text("old")
    (target / "toy-of-a-plan.json").write_text("kept")
    (target / "cub-kept.json").write_text("photographs are not trained here")
    records.replace(source, target)
    whole = {f"{config.name}.json" for config in grids.ALL} | {"cub-kept.json"}
    whole.add("toy-of-a-plan.json")
    checkpoints = {f"{config.name}.pt" for config in grids.CHECKPOINTS}
    assert {path.name for path in target.iterdir()} == whole | checkpoints
    assert (target / f"{grids.EXAMPLE.name}.json").read_text() == grids.EXAMPLE.name
    assert (target / "cub-kept.json").read_text() == "photographs are not trained here"
