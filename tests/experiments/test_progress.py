"""The log of a training: one JSON line an epoch, whole, each epoch once."""

import json

from entreg_utils.experiments.progress import Progress


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def report(path, *epochs, score=0.5):
    with Progress("title", 3, {"PxAP": "score"}, False, path) as progress:
        for epoch in epochs:
            progress({"epoch": epoch, "score": score, "maps": [[1.0]]})


def test_each_epoch_is_a_line_of_numbers(tmp_path):
    path = tmp_path / "run.jsonl"
    report(path, 1, 2)
    first, second = lines(path)
    assert (first["epoch"], second["epoch"], first["score"]) == (1, 2, 0.5)
    assert set(first) == {"epoch", "score", "seconds"} and first["seconds"] >= 0


def test_an_epoch_that_is_trained_again_stands_there_once(tmp_path):
    path = tmp_path / "run.jsonl"
    report(path, 1, 2, 3)
    report(path, 2, score=0.75)  # the partial file held epoch 1 only
    assert [(line["epoch"], line["score"]) for line in lines(path)] == [(1, 0.5), (2, 0.75)]


def test_a_file_that_is_no_log_is_begun_anew(tmp_path):
    path = tmp_path / "run.jsonl"
    for content in ("not json\n", "[1]\n", "3\n", '{"other": 1}\n'):
        path.write_text(content)
        report(path, 1)
        assert [line["epoch"] for line in lines(path)] == [1]


def test_without_a_log_nothing_is_written(tmp_path):
    report(None, 1)
    assert not list(tmp_path.iterdir())


def test_the_bar_shows_what_was_asked_for(tmp_path, capsys):
    with Progress("title", 2, {"PxAP": "score"}, True, None) as progress:
        progress({"epoch": 1, "score": 0.25})
        progress.bar.refresh()
    error = capsys.readouterr().err
    assert "title" in error and "PxAP=0.25" in error
