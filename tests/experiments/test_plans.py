"""Sweeps as files: which configs they mean, what they refuse and on which line."""

from collections import Counter

import pytest

from entreg_utils import losses
from entreg_utils.experiments import Config, grids, plans, recipes
from entreg_utils.files import StorageError

PLAN = """\
title = "two networks" # [grid] is not here
paper = "main table"
[base]
dataset = "cub"
recipe = "wsol_evaluation"
"epochs" = 3

[grid]
model = ["preresnet18",
         "seresnet50"]
seed = [0, 1]

[[runs]]
regularizer = "none"
[[runs]]
epsilon = [0.2, 0.5]

[[also]]
model = "resnet50"
decay_epochs = [1, 2]
"""


def recipe(model, **changes):
    return recipes.wsol_evaluation("cub", model).config(epochs=3, **changes)


def test_blocks_times_grid_over_base_over_recipe_and_further_runs():
    plan = plans.parse(PLAN, "mine.toml")
    assert (plan.name, plan.title, plan.paper) == ("mine", "two networks", "main table")
    networks = ("preresnet18", "seresnet50")
    pairs = [(model, seed) for model in networks for seed in (0, 1)]
    er = {"regularizer": "kl_uniform"}
    assert plan.configs == (
        *(recipe(model, seed=seed) for model, seed in pairs),
        *(recipe(model, seed=seed, strength=0.25, **er) for model, seed in pairs),
        *(recipe(model, seed=seed, strength=1.0, **er) for model, seed in pairs),
        recipe("resnet50", decay_epochs=(1, 2)),
    )
    assert plan.dropped == 0


@pytest.mark.parametrize(
    ("text", "expected", "dropped"),
    [
        ("", [Config()], 0),
        ("[base]\nseed = 3", [Config(seed=3)], 0),
        (
            "[base]\nepochs = 2\n[[also]]\nseed = [1, 2]",
            [Config(epochs=2, seed=s) for s in (1, 2)],
            0,
        ),
        ("[grid]\nseed = [1, 1, 2]\n[[also]]\nseed = 2", [Config(seed=1), Config(seed=2)], 2),
        # a block's field wins over the grid's and the base's
        (
            "[base]\nwidth = 8\n[grid]\nseed = [0, 1]\n[[runs]]\nseed = 7",
            [Config(seed=7, width=8)],
            0,
        ),
        # so does epsilon over strength, its other name
        (
            "[base]\nregularizer = 'jsd'\nstrength = 3\n[grid]\nepsilon = [0, 0.5]",
            [Config(), Config(regularizer="jsd", strength=1.0)],
            0,
        ),
        # a list of lists for a field that is a list
        (
            "[base]\nschedule = 'step'\n[grid]\ndecay_epochs = [[], [2, 4]]",
            [Config(schedule="step"), Config(schedule="step", decay_epochs=(2, 4))],
            0,
        ),
        ("[grid]\nepsilon = [0.0, 0.8]", [grids.er(0.0), grids.er(0.8)], 0),
    ],
)
def test_small_plans_by_hand(text, expected, dropped):
    plan = plans.parse(f'title = "t"\n{text}', "t.toml")
    assert list(plan.configs) == expected and plan.dropped == dropped


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed =", "sead =", "line 11: unknown field 'sead' in grid: do you mean 'seed'"),
        ('"epochs" = 3', "base.x = 1", "line 6: unknown field 'base' in base: "),
        ('"epochs" = 3', 'xyzzy = """\n\n"""', "line 6: unknown field 'xyzzy' in base: known are"),
        ('"epochs" = 3', "epochs = -3", "line 6: epochs=-3: give a whole number"),
        ('"epochs" = 3', "epochs = [3]", "line 6: epochs has several values: lists of values"),
        ("seed = [0, 1]", "seed = 0", "line 11: grid wants a list for seed"),
        ("seed = [0, 1]", "seed = []", "line 11: seed is an empty list"),
        ("seed = [0, 1]", "seed = [0, 1.5]", r"line 11: seed=1.5: give a whole number \(run with"),
        ("0.5]", "1.5]", r"line 16: epsilon=1.5: give a number in \[0, 1\)"),
        ("0.5]", "0.5]\nstrength = 1", "line 17: epsilon and strength say the same thing"),
        ('"preresnet18"', '"prenet"', "line 9: no recipe for the model 'prenet'"),
        ('"wsol_evaluation"', '"wsol"', "line 5: unknown recipe 'wsol': known are adl_code"),
        ("[1, 2]", "[2, 1]", r"line 20: decay_epochs=\(2, 1\): give rising"),
        ("[[also]]", "[[other]]", "line 18: unknown key 'other': a plan has title"),
        ("[[also]]", "[also]", r"line 18: also must be a section that begins with \[\[also\]\]"),
        ("title =", "titel =", "line 1: unknown key 'titel'"),
        ('title = "two networks"', "", "a plan needs a title"),
        ('paper = "main table"', "paper = 3", "line 2: paper must be a text"),
        ("[grid]\n", "[grid\n", "is not TOML: .*line 8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, sentence):
    assert old in PLAN
    with pytest.raises(ValueError, match=rf"^mine\.toml(, |: | ){sentence}"):
        plans.parse(PLAN.replace(old, new, 1), "mine.toml")


def test_files_are_found_by_path_and_packaged_plans_by_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    assert plans.load(path) == plans.load(str(path)) == plans.parse(PLAN, "mine.toml")
    assert plans.load("world_methods").name == "world_methods"
    with pytest.raises(ValueError, match="no plan 'mine': there are cub30_epsilon, .*in .toml"):
        plans.load("mine")
    with pytest.raises(StorageError, match="there is no file .*gone.toml"):
        plans.load(tmp_path / "gone.toml")
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(ValueError, match="mine.toml is not TOML"):
        plans.load(path)


# runs by hand: data sets x networks x methods x strengths x seeds
RUNS = {
    "table_main": 5 * 2 * 5 * 2 * 3,
    "regularisers": (1 + 5 * 6) * 3 + 2 * 2 * 3,
    "lambda_ablation": 2 * 2 * (1 + 4 + 4 - 1) * 3,
    "entropy_curve": 2 * 12 * 3,
    "wsol_evaluation": 2 * 5 * 3 * 3,
    "world_methods": 5 * 2 * 3,
    "cub30_epsilon": 8 * 3,
    "cub30_regularisers": (3 * 3 + 1) * 3,
    "cub30_methods": 4 * 2 * 3,
    "cub30_resolution": 2 * 3,
    "cub30_sizes": 4 * 2 * 3,
}


def test_the_plans_of_the_paper_are_complete():
    assert plans.names() == sorted(RUNS)
    for name, runs in RUNS.items():
        plan = plans.load(name)
        assert len(plan.configs) == len({config.key for config in plan.configs}) == runs
        assert plan.title and (plan.paper or name.startswith("cub30_"))
        seeds = Counter(config.seed for config in plan.configs)
        assert seeds == dict.fromkeys((0, 1, 2), runs // 3)  # three seeds, always


def test_main_table_holds_each_pair_with_and_without_er():
    configs = plans.load("table_main").configs
    cells = Counter((c.dataset, c.model, c.method, c.regularizer) for c in configs)
    assert set(cells.values()) == {3} and len(cells) == 100
    # lambda = 1e-4 over 1,000 outputs
    assert {c.strength for c in configs if c.regularizer == "kl_uniform"} == {0.1}
    assert all(c.epoch_images == 32_000 and c.pretrained for c in configs)
    assert {c.multilabel for c in configs if c.dataset == "voc"} == {"softmax"}


def test_the_small_plans_share_a_recipe_and_match_entropies():
    for name in ("epsilon", "regularisers", "methods", "resolution", "sizes"):
        for config in plans.load(f"cub30_{name}").configs:
            assert (config.dataset, config.classes, config.epochs) == ("cub", 30, 10)
            assert config.weights == "mobilenet_v2_imagenet.npz" and config.freeze_bn
    for config in plans.load("cub30_regularisers").configs:
        if config.regularizer != "none":
            wanted = [losses.smoothed_optimum(epsilon, 30)[1] for epsilon in (0.1, 0.3, 0.6)]
            strengths = [losses.matched_strength(config.regularizer, h, 30) for h in wanted]
            assert min(abs(config.strength - s) for s in strengths) < 1e-3


def test_the_ablation_has_both_readings_of_the_same_lambdas():
    configs = plans.load("lambda_ablation").configs
    lambdas = (1e-4, 1e-3, 1e-2, 1e-1)
    both = {0.0, *lambdas, *(round(value * 1000, 9) for value in lambdas)}
    assert {config.strength for config in configs} == both
    assert {config.head_outputs for config in configs} == {1000}
