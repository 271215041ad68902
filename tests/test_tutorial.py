"""The parts of the tutorial that can be tested without training for minutes."""

from pathlib import Path

import pytest

from entreg_utils import data, experiments, tutorial
from entreg_utils.analysis import readme as reports
from entreg_utils.analysis import tables
from entreg_utils.experiments import grids, store

ROOT = Path(__file__).resolve().parents[1]
START, END = tutorial.marks("headline")


def test_only_the_block_between_the_marks_is_replaced():
    text = f"title\n{START}\nold | old\n{END}\nrest\n"
    assert tutorial.with_block(text, "headline", "new") == f"title\n{START}\nnew\n{END}\nrest\n"


def test_a_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match="no block"):
        tutorial.with_block("title\n", "headline", "new")


def test_readme_shows_what_the_committed_records_say(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path))
    assert all(store.find(config) for config in grids.ALL), "run `make records`"
    report = tables.report(experiments.sweep(grids.SWEEP), data.load("toy", "test"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert tutorial.with_block(text, "headline", report) == text, "run `make records`"
    report = reports.readme_block()
    assert tutorial.with_block(text, "photographs", report) == text, "run `make records`"
    assert not list(tmp_path.glob("*.json"))


def test_records_come_with_the_checkpoints_that_notebooks_open(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for config in grids.ALL:
        (source / f"{config.name}.json").write_text(config.name)
        (source / f"{config.name}.pt").write_text(config.name)
    target.mkdir()
    (target / "toy-old.json").write_text("old")
    (target / "cub-kept.json").write_text("photographs are not trained here")
    tutorial._replace_records(grids, source, target)
    names = {path.name for path in target.iterdir()}
    records = {f"{config.name}.json" for config in grids.ALL}
    assert names == records | {f"{config.name}.pt" for config in grids.CHECKPOINTS} | {
        "cub-kept.json"
    }
    assert len(grids.CHECKPOINTS) <= 6
