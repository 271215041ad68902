"""``figures`` on the command line: from stored records, here written by hand, to files."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from entreg_utils import __main__ as cli
from entreg_utils import theory
from entreg_utils.analysis import tables
from entreg_utils.experiments import Config, grids, store
from entreg_utils.figures import command, gallery

EPOCHS = 3
RELIABILITY = (Config.part, Config.body, Config.context)
WORLD = theory.ThreeCues(RELIABILITY, (0.05, 0.25, 0.7), Config.num_classes, 1e-3)
# The grids of this test: what it works out by hand must not move with those of the course.
EPSILONS = (0.0, 0.3, 0.5, 0.85, 0.9, 0.98)
SWEEP = tuple(grids.sweep_epsilon(EPSILONS, (0, 1, 2)))
HURTS = tuple(grids.sweep_epsilon((0.0, 0.5, 0.85), (0, 1, 2), body=0.5))


def record(config):
    """A record whose hill is at 0.85 on validation and at 0.9 on test, and goes down in a HURT."""
    epsilon, shift = config.epsilon, 0.01 * config.seed
    hill = 0.4 + (0.4 * epsilon if epsilon <= 0.9 else -0.2) + shift
    worth = dict(zip(theory.CUES, theory.reliance(WORLD, [epsilon])[0], strict=True))
    scores = {name: 0.5 + shift for name in (*tables.HEADLINE, *theory.CUES)}
    scores |= {f"reliance_{cue}": value + shift for cue, value in worth.items()}
    scores |= {"pxap": hill if config.body != 0.5 else 0.6 - 0.306 * epsilon}
    scores |= {"entropy": 0.1 + 1.9 * epsilon, "val_pxap": 0.9 - abs(epsilon - 0.85)}
    columns = ("test_entropy", "train_entropy", "test_pxap", "test_accuracy", "loss")
    history = {name: [0.9, 0.7, 0.5 + shift] for name in columns}
    maps = np.random.default_rng(config.seed).random((EPOCHS, 4, 12, 12))
    return {
        "config": config.to_dict(),
        "history": {"epoch": list(range(1, EPOCHS + 1))} | history,
        "metrics": scores,
        "panel": [0, 1, 2, 3],
        "maps": store.pack_maps(maps),
        "weights_sha256": "",
        "provenance": {"seconds": 1.0},
    }


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    for config in SWEEP + HURTS:
        store.write(record(config), folder)
    return folder


@pytest.fixture
def stored(records, monkeypatch):
    monkeypatch.setenv("ENTREG_RESULTS", str(records))
    monkeypatch.setattr(grids, "SWEEP", SWEEP)
    monkeypatch.setattr(grids, "HURTS", HURTS)
    monkeypatch.setenv("ENTREG_FRESH", "1")  # leaves the project's own records out
    yield records
    plt.close("all")


def test_all_figures_are_written_with_their_sentences(stored, tmp_path):
    before = dict(plt.rcParams)
    paths = command.write_all(tmp_path / "out")
    assert [path.name for path in paths] == [
        *(f"{name}.png" for name in command.GALLERY),
        "figures.md",
    ]
    assert all(path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in paths[:-1])
    text = paths[-1].read_text(encoding="utf-8")
    for name, title in command.TITLES.items():
        assert f"## {title}\n\n![{title}]({name}.png)\n\n" in text
    assert set(command.TITLES) == set(command.GALLERY)
    # sentences from the records: mean over seeds of 0.4 + 0.01 s is 0.41, at 0.85 it is 0.75
    assert "PxAP is 0.41 ± 0.02 without regularisation, 0.75 ± 0.02 at ε = 0.85" in text
    assert "the hill tops at ε = 0.9, at an entropy of 1.81 nats" in text
    assert "body 0.5, context 0.3: 0.60 ± 0.00 at ε = 0, 0.34 ± 0.00 at ε = 0.85" in text
    story = gallery.Story()
    for name in ("evidence", "overlay", "over_epochs", "map_grid"):
        assert gallery.GALLERY[name](story)[1] in text
    plt.close("all")
    assert plt.rcParams == before and plt.get_fignums() == []


def test_the_same_records_give_the_same_bytes(stored, tmp_path):
    first, second = (
        [path.read_bytes() for path in command.write_all(tmp_path / name, ["evidence"])]
        for name in ("a", "b")
    )
    assert first == second


def test_some_figures_only(stored, tmp_path, capsys):
    assert cli.main(["figures", "regimes", "strengths", "--out", str(tmp_path)]) == 0
    names = ["strengths.png", "regimes.png", "figures.md"]  # in the order of the gallery
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_the_story_chooses_on_validation_and_fits_the_price(stored):
    story = gallery.Story()
    assert story.chosen == 0.85  # on test 0.9 would be best
    assert len(story.runs) == len(SWEEP) and len(story.hurts) == len(HURTS)
    assert story.world.reliability == RELIABILITY
    assert sum(story.world.amplitude) == pytest.approx(1)  # the three regions share the picture
    assert story.world.price in gallery.PRICES
    part = story.test.parts.float().mean()
    assert story.world.amplitude[0] == pytest.approx(float(part))


def test_over_epochs_shows_the_choice_and_the_ends(stored, monkeypatch):
    seen = []
    monkeypatch.setattr(gallery.training, "over_epochs", lambda history, e: seen.append(e))
    gallery.GALLERY["over_epochs"](gallery.Story())
    assert seen == [[0.0, 0.5, 0.85, 0.98]]


def test_map_grid_has_one_seed_of_each_strength(stored, monkeypatch):
    seen = []
    monkeypatch.setattr(gallery.training, "map_grid", lambda runs, data: seen.append(runs))
    gallery.GALLERY["map_grid"](gallery.Story())
    assert [run.config for run in seen[0]] == [grids.er(epsilon) for epsilon in EPSILONS]


def test_regimes_compares_the_same_strengths(stored, monkeypatch):
    seen = []
    monkeypatch.setattr(gallery.mechanism, "regimes", seen.append)
    gallery.GALLERY["regimes"](gallery.Story())
    default, weak = seen[0].values()
    assert sorted(set(default.epsilon)) == sorted(set(weak.epsilon)) == [0, 0.5, 0.85]


def test_missing_runs_are_named_with_the_way_out(stored, tmp_path, monkeypatch, capsys):
    only_sweep = tmp_path / "results"
    for config in SWEEP:
        store.write(record(config), only_sweep)
    (only_sweep / f"{SWEEP[3].name}.json").unlink()
    monkeypatch.setenv("ENTREG_RESULTS", str(only_sweep))
    assert cli.main(["figures", "regimes", "--out", str(tmp_path / "out")]) == 1
    count = len(HURTS)
    assert capsys.readouterr().err == (
        f"error: {count} of the {count} runs of HURTS are not stored: "
        "`python -m entreg_utils sweep --grid HURTS` trains them\n"
    )
    assert cli.main(["figures", "evidence", "--out", str(tmp_path / "out")]) == 1
    assert f"1 of the {len(SWEEP)} runs of SWEEP are not stored" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_figure_is_refused_before_anything_is_loaded(tmp_path, capsys):
    assert cli.main(["figures", "plane", "nope", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: unknown figure 'nope': known are strengths, plane")
    assert list(tmp_path.iterdir()) == []


def test_list(capsys):
    assert cli.main(["figures", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.GALLERY)
