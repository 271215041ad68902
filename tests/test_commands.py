"""``run`` and ``sweep`` on the command line: options from dataclasses, tables, exit statuses."""

import json
import os
import re
from dataclasses import replace

import pytest
from PIL import Image

from entreg_utils import __main__ as cli
from entreg_utils import commands
from entreg_utils.experiments import Config, SweepError, cost, grids, plans, presets, store
from entreg_utils.experiments import run as load_or_train
from entreg_utils.experiments.config import FLAT
from entreg_utils.experiments.cost import Measured, Step
from entreg_utils.losses import REGULARIZERS

SMALL = ["--num-train", "40", "--batch-size", "20", "--epochs", "1", "--image-size", "32"]
SMALL += ["--width", "4"]
PLAN = """
title = "two strengths"
[base]
epochs = 1
num_train = 40
batch_size = 20
image_size = 32
width = 4
[grid]
epsilon = [0.0, 0.5]
seed = [0, 1]
"""


def as_options(config):
    """The words that describe ``config`` in full."""
    words = []
    for name, value in config.to_dict(places=True).items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{'' if value else 'no-'}{option}"] * (value != getattr(Config(), name))
        elif isinstance(value, list):
            words += [f"--{option}", *map(str, value)] if value else []
        elif value not in (None, ""):
            words += [f"--{option}", str(value)]
    return words


@pytest.fixture
def said(capsys):
    """``said(*words)`` is what a command prints that succeeds."""

    def call(*words):
        assert cli.main([*words]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    return str(path)


@pytest.fixture
def asked(monkeypatch):
    """What ``sweep`` is asked to train, and its options; it then fails."""
    calls = []

    def spied(configs, **options):
        calls.append((list(configs), options))
        raise SweepError(f"{len(configs)} runs failed")

    monkeypatch.setattr(commands, "train_all", spied)
    return calls


def save(config, path=None, seconds=10.0, **metrics):
    """A record of ``config`` with metrics written by hand."""
    scores = dict.fromkeys(("accuracy", "pxap", "entropy", "gt_known", "val_pxap"), 0.5) | metrics
    maps = {"shape": [1, 1, 1, 1], "low": [[0.0]], "high": [[1.0]], "uint8": "AA=="}
    origin = {"seconds": seconds, "device": "cpu", "threads": 1, "torch": "2", "commit": "c"}
    record = {"protocol": 5, "config": config.to_dict(), "history": {"epoch": [1], "loss": [1.0]}}
    record |= {"metrics": scores, "panel": [0], "maps": maps, "weights_sha256": ""}
    return store.write(record | {"provenance": origin}, path or store.path_of(config))


def committed(config):
    return store.committed_folder() / f"{config.name}.json"


# ---- options


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_help_fits_on_two_screens_and_names_every_setting(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    lines = sum(1 + (len(line) - 1) // 100 for line in printed.splitlines())
    assert lines <= (110 if command == "run" else 130)
    left_out = {"seed", "strength"} if command == "sweep" else set()
    for name in set(FLAT) - left_out:
        option, flag = name.replace("_", "-"), isinstance(getattr(Config(), name), bool)
        assert (f"--{option}, --no-{option}" if flag else f"--{option} ") in printed
    text = " ".join(printed.replace("│", " ").split())
    assert f"of SGD (default: {Config().weight_decay})" in text
    assert all(name in text for name in REGULARIZERS) and "plit of cub" in text
    assert all(name in text for name in presets.PRESETS)


def test_every_setting_is_an_option_with_its_type_and_default(stored, monkeypatch):
    got = []
    monkeypatch.setattr(commands, "_run", lambda config, *rest: got.append((config, *rest)) or 0)
    others = [
        Config(),
        Config(regularizer="jsd", strength=0.25, seed=3, flip=False, body=0.5, world_seed=7),
        Config(
            **{"dataset": "cub", "model": "resnet50", "root": "/data", "weights": "w.pth"},
            **{"schedule": "step", "decay_epochs": (2, 4), "compile": True, "classes": 30},
            **{"method": "adl", "erase_points": ("stage3.0", "last"), "erase_rate": 0.25},
        ),
        Config(method="has", erase_sides=(8, 16), probes=("mine:probe",), sigma=0.2),
    ]
    for config in others:
        assert cli.main(["run", "--allow-code", *as_options(config)]) == 0
        assert got.pop() == (config, False, False, False)
    assert cli.main(["run", "--learning_rate=0.05", "--json", "--fresh"]) == 0
    assert got.pop() == (Config(learning_rate=0.05), True, True, False)


def test_only_named_options_win_over_a_preset_and_over_a_plan(plan, asked, monkeypatch):
    got = []
    monkeypatch.setattr(commands, "_run", lambda config, *_: got.append(config) or 0)
    words = ["--preset", "modern", "--dataset", "cub", "--model", "resnet50"]
    assert cli.main(["run", *words, "--epochs", "12", "--epsilon", "0.5", "--no-flip"]) == 0
    er = {"regularizer": "kl_uniform", "strength": 1.0}
    # 12 is the default of the drawn world, and was named here all the same
    assert got == [presets.modern("cub", "resnet50").config(epochs=12, flip=False, **er)]
    configs = list(plans.load(plan).configs)
    assert cli.main(["sweep", plan]) == 1
    assert cli.main(["sweep", plan, "--epochs", "12", "--body", "0.5", "--method", "has"]) == 1
    changed = [replace(config, epochs=12, body=0.5, method="has") for config in configs]
    assert [call[0] for call in asked] == [configs, changed]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("run --epsilon 0.5 --strength 1", "say the same thing: give one"),
        ("run --regularizer l2", "unknown regularizer 'l2': known are none, label_smooth"),
        ("run --probes mine:probe", "mine:probe would be imported and run: give --allow"),
        ("sweep --epsilons 0.5 --regularizer a:f", "a:f would be imported and run"),
        ("sweep", "give one of PLAN, --grid and --epsilons"),
        ("sweep world_methods --grid SWEEP", "give one of PLAN, --grid and --epsilons"),
        ("sweep --grid SWEEP --epsilons 0", "give one of PLAN, --grid and"),
        ("sweep --grid SWEEP --seeds 0", "a grid fixes its own --seeds: use --epsil"),
        ("sweep world_methods --regularizer jsd", "a plan fixes its own --regularizer"),
        ("sweep world_methods --preset modern", "a plan fixes its own --preset"),
        ("sweep gone", "no plan 'gone': there are cub30_epsilon"),
        # settings by the names of their options
        ("run --batch-size 0", "--batch-size 0: give a whole number"),
        ("run --num-train 10", "--batch-size 50 is larger than --num-train 10"),
        ("run --world-seed -1", "--world-seed -1: give a whole number of at least 0"),
        ("run --crop 40", "--crop belongs to photographs: .* --image-size and --num-classes"),
        ("run --dataset voc --classes 3", "has a column for each class: leave --classes out"),
        ("run --method adl --erase-sides 4", "no --erase-sides: .* --erase-gamma, --erase-rate"),
        ("run --method adl --erase-rate 3", "--erase-rate 3 must lie in 0..1"),
        ("run --method has --erase-sides 999", "give smaller --erase-sides"),
        ("run --decay-epochs 5", "--decay-epochs (5,): it belongs to --schedule 'step': leave it"),
        ("run --preset modern", "trains photographs, give --dataset NAME"),
        ("sweep --epsilons 0 --batch-size 0", "--batch-size 0: give a whole number"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(project, own_code, asked, words, sentence, capsys):
    for name in ("mine", "a"):
        own_code(name, "raise RuntimeError('imported')")
    assert cli.main(words.split()) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert sentence in error or re.search(sentence, error)
    assert not project.exists() and not asked


@pytest.mark.parametrize(
    "words",
    [
        "run --bogus 3",
        "run --epochs many",
        "run --preset mine",
        "sweep --seed 3",
        "sweep --epsilons 0 x",
        "sweep --grid MINE",
    ],
)
def test_words_that_are_no_options_are_exit_status_two(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(words.split())
    assert stop.value.code == 2 and words.split()[1] in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path):
    """Two classes of ten photographs; gives the folder's name, below ``tmp_path``."""
    for name in ("cat", "dog"):
        for i in range(10):
            (tmp_path / "mine" / name).mkdir(exist_ok=True, parents=True)
            Image.new("RGB", (20, 10)).save(tmp_path / "mine" / name / f"{i}.png")
    return "mine"


def test_photographs_take_a_preset_of_theirs_and_a_small_folder_fills_its_epochs(
    folder, tmp_path, asked, monkeypatch, capsys
):
    got = []
    monkeypatch.setattr(commands, "_run", lambda config, *_: got.append(config) or 0)
    name, root = f"folder:{folder}", str(tmp_path)
    base = presets.photographs(name).config(root=root)
    for words, changes in [
        ("", {"epoch_images": 96}),
        ("--no-pretrained --epochs 3", {"epoch_images": 96, "pretrained": False, "epochs": 3}),
        ("--batch-size 4", {"batch_size": 4}),
        ("--preset photographs", {}),
    ]:
        assert cli.main(["run", "--dataset", name, "--root", root, *words.split()]) == 0
        assert got.pop() == replace(base, **changes)
        error = capsys.readouterr().err
        assert ("note: folder:mine trains by the preset photographs" in error) == (
            "--preset" not in words
        )
        assert ("has 12 photographs to train on" in error) == ("epoch_images" in changes)
    epsilons = ["--epsilons", "0", "0.5", "--seeds", "1", "--root", root]
    assert cli.main(["sweep", "--dataset", name, *epsilons]) == 1
    seeded = replace(base, epoch_images=96, seed=1)
    assert asked[0][0] == [seeded, replace(seeded, regularizer="kl_uniform", strength=1.0)]
    assert capsys.readouterr().err.count("note: ") == 2  # each once


# ---- run


def test_run_prints_the_record_with_its_rules_or_as_one_object(
    stored, tiny, training_forbidden, capsys, said
):
    record = store.read(stored)
    printed = said("run", *as_options(tiny))
    assert "kl_uniform, ε = 0.5 (strength 1), seed 0: loaded" in printed
    assert f"record: {stored}" in printed and "fixed threshold 0.15; IoU 0.5" in printed
    for name in ("accuracy", "pxap", "max_box_acc_carried"):
        assert f"{record['metrics'][name]:8.3f}" in printed
    assert cli.main(["run", "--json", *as_options(tiny)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert Config(**answer["config"]) == tiny and answer["record"] == str(stored)
    assert answer["epsilon"] == 0.5 and answer["loaded"] is True
    for name in ("metrics", "provenance", "selection"):
        assert answer[name] == record[name]
    assert answer["rules"]["pxap"].startswith("PxAP: all thresholds")


def test_run_trains_what_is_not_stored_and_fresh_leaves_the_committed_record_out(
    project, monkeypatch, said
):
    config = Config(num_train=40, batch_size=20, epochs=1, image_size=32, width=4)
    save(config, committed(config), accuracy=0.123)
    assert "0.123" in said("run", *SMALL)
    printed = said("run", "--fresh", *SMALL)
    assert "0.123" not in printed and "seed 0: trained now" in printed
    assert f"record: {project}" in printed and "ENTREG_FRESH" not in os.environ
    printed = said("run", *SMALL)
    assert "seed 0: loaded" in printed and "0.123" not in printed  # the reader's own comes first


def test_a_damaged_record_is_a_note_and_the_next_one_is_read(stored, tiny, capsys):
    path = save(tiny, committed(tiny), accuracy=0.123)
    stored.write_text("{")
    assert cli.main(["run", *as_options(tiny)]) == 0
    captured = capsys.readouterr()
    assert f"note: record {stored} is damaged" in captured.err and ".py" not in captured.err
    assert "0.123" in captured.out and f"record: {path}" in captured.out


def test_own_code_runs_where_it_is_allowed(project, own_code, said):
    own_code("mine", "def probe(m, v, p):\n    return {'images': len(p.logits)}\n")
    printed = said("run", *SMALL, "--probes", "mine:probe", "--allow-code")
    assert "images                  64.000" in printed


# ---- sweep


def test_sweeps_of_epsilons_of_grids_and_of_plans(plan, asked):
    smooth = [Config(regularizer="label_smoothing", strength=0.5, seed=s) for s in grids.SEEDS]
    rows = {
        "--epsilons 0 0.5 --seeds 4 5 --epochs 2": [
            grids.er(e, s, epochs=2) for e in (0.0, 0.5) for s in (4, 5)
        ],
        "--epsilons 0.5 --regularizer label_smoothing": smooth,
        "world_methods": plans.load("world_methods").configs,
        **{f"--grid {name}": getattr(grids, name) for name in commands.GRIDS},
    }
    for words, configs in rows.items():
        assert cli.main(["sweep", *words.split()]) == 1
        assert asked.pop()[0] == list(configs)
    usual = {"cluster": None, "jobs": None, "gpus": None, "cpus": 1}
    for words, options in {
        "--cluster h:1 --gpus-per-run 0.25": {"cluster": "h:1", "gpus": 0.25},
        "--cluster auto --cpus-per-run 4": {"cluster": "auto", "cpus": 4},
        "--jobs 2": {"jobs": 2},
        "--gpus-per-run 0.5": {"gpus": 0.5},  # which the sweep refuses
    }.items():
        assert cli.main(["sweep", plan, *words.split()]) == 1
        assert asked.pop()[1] == usual | options


def test_list_names_every_plan_with_its_runs(said):
    printed = said("sweep", "--list")
    for name in plans.names():
        one = plans.load(name)
        assert f"{name:18}{len(one.configs):4} runs  {one.title}\n" in printed
        assert one.paper in printed


def test_a_plan_is_trained_loaded_and_listed(project, plan, monkeypatch, said):
    def here(configs, **_):
        return [load_or_train(config, progress=False) for config in configs]

    monkeypatch.setattr(commands, "train_all", here)  # no other processes: test_sweep starts those
    printed = said("sweep", plan)
    assert "kl_uniform; num_train=40" in printed and "±" in printed
    assert "Best on validation (val_pxap, mean over seeds): ε =" in printed
    assert len(list(project.glob("*.json"))) == 4
    assert said("sweep", plan, "--dry-run") == (
        "toy toy cam     4 runs, 4 stored: kl_uniform 0.5, none; 2 seeds\n4 of 4 runs are stored.\n"
    )


def test_a_plan_meant_for_other_files_is_refused_before_anything_is_trained(
    project, plan, tmp_path, asked, monkeypatch, capsys
):
    weights, path = tmp_path / "w.pth", tmp_path / "mine.toml"
    weights.write_bytes(b"some")
    settings = f'dataset = "cub"\nmodel = "resnet18"\nweights = "{weights}"\n'
    text = f'title = "t"\n[base]\n{settings}[files]\nweights = "{64 * "8"}"\n'
    path.write_text(text)
    # without photographs here nothing is refused: what is stored is loaded
    assert cli.main(["sweep", plan]) == 1 and len(asked) == 1
    monkeypatch.setattr(store, "files_of", lambda c: store.Files(c.network.weights_sha256()))
    assert cli.main(["sweep", plan]) == 1 and len(asked) == 1
    error = capsys.readouterr().err
    assert "meant for other weights (888888888888) than those that lie here (" in error
    path.write_text(text.replace(64 * "8", store.files_of(plans.load(plan).configs[0]).weights))
    assert cli.main(["sweep", plan]) == 1 and len(asked) == 2


def test_dry_run_estimates_by_the_records_that_come_with_the_project(
    project, training_forbidden, said
):
    def dry(words):
        return said("sweep", "--dry-run", *words.split())

    # a stored run took 60 s; four more seeds of twice as many epochs: 4 x 120 s on 2 processes
    path = save(Config(), committed(Config()), seconds=60.0)
    printed = dry(f"--epsilons 0 --seeds 1 2 3 4 --jobs 2 --epochs {2 * Config().epochs}")
    assert "4 runs, 0 stored: none; 4 seeds\n0 of 4 runs are stored." in printed
    assert "4 would be trained, in about 4 min with 2 side by side" in printed
    assert "1 stored records" in printed
    # several fish an image take as long; another network's time is not known by this one's
    words = "--dataset shoal --multilabel softmax --epsilons 0 --jobs 1 --seeds 1"
    assert "1 would be trained, in about 1 min with 1 side by side" in dry(words)
    unknown = "1 would be trained, for how long, no stored record tells"
    assert unknown in dry(f"{words} --model resnet18")
    path.unlink()
    assert unknown in dry("--epsilons 0 --seeds 0")
    unit = cost.work(Config().to_dict())
    assert cost.work(Config(epochs=24, num_train=1000).to_dict()) == unit
    assert cost.work(Config(image_size=96, width=8).to_dict()) == 2 * unit


def test_dry_run_of_photographs_says_hours_of_measured_devices_only(project, monkeypatch, said):
    monkeypatch.setattr(cost, "device_name", lambda: "this machine")
    table = store.committed_folder().parent / "throughput.json"
    table.write_text('{"measured": []}')
    printed = said("sweep", "wsol_evaluation", "--dry-run")
    group = "cub resnet50 cam               9 runs, 0 stored: kl_uniform 0.1, kl_uniform 0.3, none"
    assert f"{group}; 3 seeds\n" in printed and "hours" not in printed
    assert "0 of 90 runs are stored.\n90 would be trained on photographs.\n" in printed
    assert printed.endswith("this machine: not measured (data/throughput.json has what was).\n")
    step = Step("resnet50", 224, 32, "fp32", False, False)
    row = Measured("a GPU", step._asdict(), 1000.0, 10, "2.11", "2026-01-01", None)._asdict()
    table.write_text(json.dumps({"measured": [row]}))
    # 45 runs of 50 epochs of 5,984 images, 45 of 10 epochs of 29,792, at 1,000 a second
    hours = 45 * (50 * 5_984 + 10 * 29_792) / 1000 / 3600
    printed = said("sweep", "wsol_evaluation", "--dry-run")
    assert f"a GPU: {hours:.1f} hours of training steps for 90 of the 90" in printed


def test_sweep_prints_a_headline_for_each_world_and_one_seed_without_an_interval(
    project, training_forbidden, said
):
    for config in grids.sweep_epsilon((0.0, 0.5), (0, 1)):
        plain = config.epsilon == 0
        save(config, pxap=0.6 if plain else 0.8, val_pxap=0.9 if plain else 0.7)
    printed = said("sweep", "--epsilons", "0", "0.5", "--seeds", "0", "1")
    assert "kl_uniform; default world and recipe" in printed
    assert "0.600 ± 0.000" in printed and "0.800 ± 0.000" in printed
    assert "Best on validation (val_pxap, mean over seeds): ε = 0." in printed  # not by test
    printed = said("sweep", "--epsilons", "0.5", "--seeds", "0")
    assert "0.8" in printed and "±" not in printed.split("\n", 1)[1]
    assert "One seed has no interval" in printed and "validation" not in printed
