"""``run`` and ``sweep`` on the command line: options from the dataclass, tables, exit statuses."""

import argparse
import json
import os
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from entreg_utils import __main__ as cli
from entreg_utils.experiments import (
    Config,
    SweepError,
    command,
    grids,
    options,
    store,
    sweep_command,
)
from entreg_utils.losses import REGULARIZERS

SMALL = ["--num-train", "40", "--batch-size", "20", "--epochs", "1", "--image-size", "32"]
SMALL += ["--width", "4"]


def parsed(module, *words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(words)


def as_options(config):
    """The words that describe ``config`` in full."""
    words = []
    for field in fields(Config):
        value, name = getattr(config, field.name), field.name.replace("_", "-")
        if field.type == "bool":
            words += [f"--{'' if value else 'no-'}{name}"]
        elif value is not None:  # a preset's value has no word
            several = isinstance(value, tuple)
            words += [f"--{name}", ",".join(map(str, value)) if several else str(value)]
    return words


def save(config, folder=None, seconds=10.0, **metrics):
    """A record of ``config`` with metrics written by hand."""
    scores = dict.fromkeys(command.RULES, 0.5) | metrics
    maps = {"shape": [1, 1, 1, 1], "low": [[0.0]], "high": [[1.0]], "uint8": "AA=="}
    origin = {"seconds": seconds, "device": "cpu", "threads": 1, "torch": "2", "commit": "c"}
    record = {"config": config.to_dict(), "history": {"epoch": [1], "loss": [1.0]}}
    record |= {"metrics": scores, "panel": [0], "maps": maps, "weights_sha256": ""}
    return store.write(record | {"provenance": origin}, folder)


def test_every_field_is_an_option_with_its_type_and_default():
    other = Config(
        regularizer="jsd",
        strength=0.25,
        seed=3,
        epochs=2,
        flip=False,
        learning_rate=0.05,
        num_train=100,
        body=0.5,
        part_visibility=0.9,
        world_seed=7,
    )
    assert command.config_of(parsed(command, *as_options(other))) == other
    assert command.config_of(parsed(command)) == Config()
    assert set(options.HELP) == {field.name for field in fields(Config)}


def test_help_names_defaults_and_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["run", "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"SGD (default: {Config.weight_decay})" in text
    assert f"mirror half of the images, at random (default: {Config.flip})" in text
    assert ",".join(REGULARIZERS) in text
    assert "None" not in text


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.85, 0.98])
def test_epsilon_is_the_grids_own(epsilon):
    given = parsed(command, "--epsilon", str(epsilon), "--seed", "2", "--body", "0.5")
    assert command.config_of(given) == grids.er(epsilon, 2, body=0.5)


def test_epsilon_of_other_regularizers():
    assert options.at_epsilon(0.2, "label_smoothing").strength == 0.2
    assert options.at_epsilon(0.2, "jsd").strength == pytest.approx(0.25)
    assert options.at_epsilon(0.0, "jsd") == Config()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--epsilon", "0.5", "--strength", "1"], "say the same thing: give one"),
        (["--epsilon", "1"], r"\[0, 1\)"),
        (["--epsilon", "0.5", "--regularizer", "none"], "needs a regularizer"),
        (["--strength", "1"], "no meaning without a regularizer"),
        (["--epochs", "0"], "epochs=0"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(words, sentence, capsys):
    assert cli.main(["run", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    with pytest.raises(ValueError, match=sentence):
        command.config_of(parsed(command, *words))


def test_run_prints_the_record_with_its_rules(stored, tiny, training_forbidden, capsys):
    assert cli.main(["run", *as_options(tiny)]) == 0
    printed = capsys.readouterr().out
    record = store.read(stored)
    assert "kl_uniform, ε = 0.5 (strength 1), seed 0: loaded" in printed
    assert "split: test (64 images); checkpoint: last (epoch 3)" in printed
    assert f"record: {stored}" in printed
    lines, rules = printed.splitlines(), command.rules_of(tiny)
    assert set(record["metrics"]) <= set(rules)  # each number has its rule
    for name, value in record["metrics"].items():
        title, rule = rules[name]
        assert f"{title:22}{value:8.3f}  {rule}" in lines
    assert any("fixed threshold 0.15; IoU 0.5" in line for line in lines)


def test_photographs_have_a_second_column_for_the_best_checkpoint():
    config = Config(dataset="cub", model="resnet50", method="adl", sigma=0.2, epochs=30)
    result = SimpleNamespace(
        config=config,
        metrics={"accuracy": 0.75, "accuracy_best": 0.7, "gt_known": 0.4, "gt_known_best": 0.5}
        | {"centre_box": 0.6},
        selection={"criterion": "val_max_box_acc", "epoch": 12, "weights_sha256": "1"},
        provenance={"seconds": 3.0, "device": "cpu", "threads": 1, "torch": "2", "commit": "c"},
        weights_sha256="0",
    )
    lines = command.report(result, "here.json", True).splitlines()
    assert lines[0] == "resnet50, adl, none, ε = 0 (strength 0), seed 0: loaded"
    assert lines[1].startswith("split: test of cub; checkpoint: last (epoch 30); maps: CAM")
    assert lines[2] == "second column: checkpoint best by val_max_box_acc (epoch 12)"
    title, rule = command.rules_of(config)["gt_known"]
    assert rule == "fixed threshold 0.2; IoU 0.5"
    assert f"{title:22}{0.4:8.3f}{0.5:8.3f}  {rule}" in lines
    box, rule = command.rules_of(config)["centre_box"]
    assert f"{box:22}{0.6:8.3f}{'':8}  {rule}" in lines  # a baseline has no checkpoint
    answer = command._as_json(result, "here.json", True)
    assert answer["selection"]["epoch"] == 12
    assert answer["rules"]["gt_known"] == "GT-known Loc: fixed threshold 0.2; IoU 0.5"


def test_every_score_of_photographs_has_a_rule():
    world = {"part", "body", "context", "reliance_part", "reliance_body", "reliance_context"}
    scored = {"accuracy", "entropy", "gt_known", "top1_loc", "max_box_acc", "pxap", "mpxap"}
    scored |= {"mean_ap"}
    assert {f"val_{name}" for name in scored} <= set(command.RULES)
    assert scored | world <= set(command.RULES)


def test_run_as_json_is_one_object(stored, tiny, training_forbidden, capsys):
    assert cli.main(["run", "--json", *as_options(tiny)]) == 0
    answer = json.loads(capsys.readouterr().out)
    record = store.read(stored)
    assert Config(**answer["config"]) == tiny
    assert answer["epsilon"] == 0.5 and answer["loaded"] is True
    assert answer["metrics"] == record["metrics"] and answer["record"] == str(stored)
    assert answer["provenance"] == record["provenance"]
    assert answer["rules"]["pxap"].startswith("PxAP: all thresholds")


def test_run_trains_what_is_not_stored(project, capsys):
    assert cli.main(["run", *SMALL]) == 0
    assert "seed 0: trained now" in capsys.readouterr().out
    assert len(list(project.glob("*.json"))) == 1
    assert cli.main(["run", *SMALL]) == 0
    assert "seed 0: loaded" in capsys.readouterr().out


def test_fresh_leaves_out_the_committed_record(project, monkeypatch, capsys):
    config = command.config_of(parsed(command, *SMALL))
    save(config, store.committed_folder(), accuracy=0.123)
    assert cli.main(["run", *SMALL]) == 0
    assert "0.123" in capsys.readouterr().out
    assert cli.main(["run", "--fresh", *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "0.123" not in printed and f"record: {project}" in printed
    assert "ENTREG_FRESH" not in os.environ
    monkeypatch.setenv("ENTREG_FRESH", "0")
    with command.freshly(True):
        assert os.environ["ENTREG_FRESH"] == "1"
    assert os.environ["ENTREG_FRESH"] == "0"


def test_a_damaged_record_is_a_note_and_the_next_one_is_read(stored, tiny, capsys):
    committed = save(tiny, store.committed_folder(), accuracy=0.123)
    stored.write_text("{")
    assert command.record_path(tiny) == committed
    assert cli.main(["run", *as_options(tiny)]) == 0
    captured = capsys.readouterr()
    assert f"note: record {stored} is damaged" in captured.err and ".py" not in captured.err
    assert "0.123" in captured.out


def test_training_that_breaks_is_one_sentence(project, capsys):
    assert cli.main(["run", *SMALL, "--epochs", "3", "--learning-rate", "1e30"]) == 1
    assert "error: training stopped at step" in capsys.readouterr().err


def test_sweep_of_epsilons_and_of_grids():
    configs = sweep_command.configs_of(
        parsed(sweep_command, "--epsilons", "0,0.5", "--seeds", "4,5", "--epochs", "2")
    )
    assert configs == [grids.er(e, s, epochs=2) for e in (0.0, 0.5) for s in (4, 5)]
    default = sweep_command.configs_of(parsed(sweep_command, "--epsilons", "0.5"))
    assert [config.seed for config in default] == list(grids.SEEDS)
    for name in sweep_command.GRIDS:
        configs = sweep_command.configs_of(parsed(sweep_command, "--grid", name))
        assert configs == list(getattr(grids, name))
    changed = sweep_command.configs_of(parsed(sweep_command, "--grid", "HURTS", "--epochs", "2"))
    assert changed == [replace(config, epochs=2) for config in grids.HURTS]


@pytest.mark.parametrize(
    "words", [["--seeds", "0"], ["--regularizer", "jsd"]], ids=["seeds", "regularizer"]
)
def test_a_grid_fixes_seeds_and_regularizer(words):
    with pytest.raises(ValueError, match=f"its own {words[0]}: use --epsilons"):
        sweep_command.configs_of(parsed(sweep_command, "--grid", "SWEEP", *words))


@pytest.mark.parametrize(
    "words", [["--epsilons", "0,x"], ["--epsilons", "0", "--seeds", "0.5"], []]
)
def test_words_that_are_no_grid_are_refused(words, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["sweep", *words])
    assert stop.value.code == 2
    assert "numbers like" in capsys.readouterr().err or not words


def test_dry_run_lists_and_estimates(project, training_forbidden, capsys):
    # a stored run took 60 s; four more seeds of twice as many epochs: 4 x 120 s on 2 processes
    path = save(Config(), seconds=60.0)
    words = ["--epsilons", "0", "--seeds", "1,2,3,4", "--epochs", str(2 * Config.epochs)]
    words += ["--jobs", "2"]
    assert cli.main(["sweep", "--dry-run", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.count("train   toy-none-0-s") == 4
    assert "0 of 4 runs are stored." in printed
    assert "4 would be trained, in about 4.0 minutes with 2 side by side" in printed
    assert "1 stored records" in printed
    assert cli.main(["sweep", "--dry-run", "--epsilons", "0", "--seeds", "0"]) == 0
    assert capsys.readouterr().out == f"stored  {path.stem}\n1 of 1 runs are stored.\n"
    path.unlink()
    assert cli.main(["sweep", "--dry-run", "--epsilons", "0", "--seeds", "0"]) == 0
    assert "for how long, no stored record tells" in capsys.readouterr().out


def test_work_is_proportional_to_what_training_reads():
    base = Config(epochs=16, num_train=2000, image_size=48, width=16)
    unit = sweep_command.work(base)
    assert sweep_command.work(replace(base, epochs=32, num_train=1000)) == unit
    assert sweep_command.work(replace(base, image_size=96, width=8)) == 2 * unit


def test_sweep_prints_a_headline_for_each_world(project, training_forbidden, capsys):
    for config in grids.sweep_epsilon((0.0, 0.5), (0, 1)):
        plain = config.epsilon == 0
        save(config, pxap=0.6 if plain else 0.8, val_pxap=0.9 if plain else 0.7)
    for config in grids.sweep_epsilon((0.0,), (0, 1), body=0.5):
        save(config, pxap=0.3)
    assert cli.main(["sweep", "--epsilons", "0,0.5", "--seeds", "0,1"]) == 0
    printed = capsys.readouterr().out
    assert "kl_uniform; default world and recipe" in printed
    assert "0.600 ± 0.000" in printed and "0.800 ± 0.000" in printed
    # by validation, not by test
    assert "At ε = 0, chosen on validation, PxAP is 0.600 ± 0.000 against 0.600" in printed
    assert "constant map" in printed and "centred box" in printed
    runs = sweep_command.sweep(
        [*grids.sweep_epsilon((0.0, 0.5), (0, 1)), *grids.sweep_epsilon((0.0,), (0, 1), body=0.5)]
    )
    groups = sweep_command.worlds([*runs, runs[0]])
    assert [len(group) for group in groups] == [4, 2]
    assert "no regularizer; body=0.5" in sweep_command.summary(groups[1])


def test_one_seed_is_printed_without_an_interval(project, training_forbidden, capsys):
    save(grids.er(0.5), pxap=0.8125)
    assert cli.main(["sweep", "--epsilons", "0.5", "--seeds", "0"]) == 0
    printed = capsys.readouterr().out
    assert "0.812" in printed and "±" not in printed.split("\n", 1)[1]
    assert "One seed has no interval" in printed
    assert "validation" not in printed
    save(grids.er(0.0), val_pxap=0.9)
    assert cli.main(["sweep", "--epsilons", "0,0.5", "--seeds", "0"]) == 0
    assert "Best on validation (PxAP, mean over seeds): ε = 0." in capsys.readouterr().out


def test_failed_runs_are_exit_status_one(project, monkeypatch, capsys):
    def fails(configs, jobs):
        raise SweepError(f"{len(configs)} runs failed with {jobs} jobs")

    monkeypatch.setattr(sweep_command, "sweep", fails)
    assert cli.main(["sweep", "--epsilons", "0", "--jobs", "1"]) == 1
    assert capsys.readouterr().err == "error: 3 runs failed with 1 jobs\n"
