"""``sweep`` on the command line: plans, clusters, and what a plan would cost."""

import argparse
from dataclasses import replace

import pytest
from entreg_utils.experiments.throughput import Measured, Step

from entreg_utils import __main__ as cli
from entreg_utils.experiments import Config, grids, plans, store, sweep_command, throughput

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


def parsed(*words):
    parser = argparse.ArgumentParser()
    sweep_command.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    return str(path)


def test_a_plan_is_its_configs_and_fields_given_change_all_of_them(plan):
    configs = list(plans.load(plan).configs)
    assert sweep_command.configs_of(parsed(plan)) == configs and len(configs) == 4
    changed = sweep_command.configs_of(parsed(plan, "--epochs", "2", "--body", "0.5"))
    assert changed == [replace(config, epochs=2, body=0.5) for config in configs]
    named = sweep_command.configs_of(parsed("world_methods"))
    assert named == list(plans.load("world_methods").configs)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--seeds", "0"], "a plan fixes its own --seeds: change it in a file of your own"),
        (["--regularizer", "jsd"], "a plan fixes its own --regularizer"),
    ],
)
def test_a_plan_fixes_seeds_and_regularizer(plan, words, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep_command.configs_of(parsed(plan, *words))


@pytest.mark.parametrize("words", [["--grid", "SWEEP"], ["--epsilons", "0"], ["--list"]])
def test_a_plan_and_a_grid_are_two_sweeps(plan, words, capsys):
    with pytest.raises(SystemExit):
        parsed(plan, *words)
    assert "not allowed with" in capsys.readouterr().err


def test_list_names_every_plan_with_its_runs(capsys):
    assert cli.main(["sweep", "--list"]) == 0
    printed = capsys.readouterr().out
    for name in plans.names():
        one = plans.load(name)
        assert f"{name:18}{len(one.configs):4} runs  {one.title}\n" in printed
        assert one.paper in printed


def test_a_plan_with_a_mistake_is_one_sentence_and_status_one(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN.replace("width", "with"))
    assert cli.main(["sweep", str(path)]) == 1
    line = "error: mine.toml, line 8: unknown field 'with' in base: do you mean 'width'?\n"
    assert capsys.readouterr().err == line


def test_a_plan_is_trained_and_then_loaded(project, plan, capsys):
    assert cli.main(["sweep", plan, "--jobs", "2"]) == 0
    captured = capsys.readouterr()
    assert "kl_uniform; epochs=1, batch_size=20, width=4" in captured.out and "±" in captured.out
    assert "(4 done, 0 running, 0 failed, 0 left of 4)" in captured.err
    assert len(list(project.glob("*.json"))) == 4
    assert cli.main(["sweep", plan, "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "toy toy cam     4 runs, 4 stored: kl_uniform 0.5, none; 2 seeds\n4 of 4 runs are stored.\n"
    )


def test_cluster_options_reach_the_sweep(plan, monkeypatch):
    asked = []

    def spied(configs, **options):
        asked.append(options)
        raise ValueError("enough")

    monkeypatch.setattr(sweep_command, "sweep", spied)
    assert cli.main(["sweep", plan, "--cluster", "h:1", "--gpus-per-run", "0.25"]) == 1
    assert cli.main(["sweep", plan, "--cluster", "auto", "--cpus-per-run", "4"]) == 1
    assert cli.main(["sweep", plan, "--jobs", "2"]) == 1
    assert asked == [
        {"jobs": None, "cluster": "h:1", "gpus": 0.25},
        {"jobs": None, "cluster": "auto", "cpus": 4},
        {"jobs": 2},
    ]


def test_dry_run_of_photographs_says_hours_of_measured_devices_only(project, monkeypatch, capsys):
    monkeypatch.setattr(throughput, "device_name", lambda: "this machine")
    words = ["sweep", "wsol_evaluation", "--dry-run"]
    assert cli.main(words) == 0
    printed = capsys.readouterr().out
    group = "cub resnet50 cam               9 runs, 0 stored: kl_uniform 0.1, kl_uniform 0.3, none"
    assert f"{group}; 3 seeds\n" in printed
    assert "0 of 90 runs are stored.\n90 would be trained on photographs.\n" in printed
    assert printed.endswith("this machine: not measured here: run `make bench` on that machine.\n")
    assert "hours" not in printed
    step = Step("resnet50", 224, 32, "fp32", False, False)
    throughput.save([Measured("a GPU", step, 1000.0, 10, "2.11", "2026-01-01", None)])
    assert cli.main(words) == 0
    # 45 runs of 50 epochs of 5,984 images, 45 of 10 epochs of 29,792, at 1,000 a second
    hours = 45 * (50 * 5_984 + 10 * 29_792) / 1000 / 3600
    assert f"a GPU: {hours:.1f} hours of training steps for 90 of the 90" in capsys.readouterr().out


def test_only_runs_of_the_embedded_world_say_how_long_it_takes(project, plan, capsys):
    assert cli.main(["sweep", plan, "--dry-run"]) == 0
    assert "4 would be trained, for how long, no stored record tells." in capsys.readouterr().out
    config = Config(**grids.er(0.0, 5).to_dict() | {"epochs": 1})
    record = {"config": config.content, "provenance": {"seconds": 60.0}}
    store.write(record)
    assert cli.main(["sweep", "--epsilons", "0", "--seeds", "6", "--epochs", "2", "--dry-run"]) == 0
    assert "in about 2.0 minutes" in capsys.readouterr().out
