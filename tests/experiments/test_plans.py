"""Sweeps as files: which configs they mean, what they refuse and where; and --epsilon, --preset."""

from collections import Counter

import pytest

from entreg_utils.experiments import Config, grids, plans, presets, store
from entreg_utils.experiments.presets import config_of
from entreg_utils.experiments.store import Files
from entreg_utils.files import StorageError

PLAN = """\
title = "two networks" # [grid] is not here
paper = "main table"
[base]
dataset = "cub"
preset = "wsol_evaluation"
"epochs" = 3

[grid]
model = ["preresnet18",
         "seresnet50"]
seed = [0, 1]

[[runs]]
regularizer = "none"
[[runs]]
epsilon = [0.2, 0.5]

[[runs]]
model = "resnet50"
seed = 0
decay_epochs = [1, 2]

[files]
photographs = "02ab"
"""


def published(model, **changes):
    return presets.wsol_evaluation("cub", model).config(epochs=3, **changes)


def test_blocks_times_grid_over_base_over_preset():
    plan = plans.parse(PLAN, "mine.toml")
    assert (plan.name, plan.title, plan.paper) == ("mine", "two networks", "main table")
    networks = ("preresnet18", "seresnet50")
    pairs = [(model, seed) for model in networks for seed in (0, 1)]
    er = {"regularizer": "kl_uniform"}
    assert plan.configs == (
        *(published(model, seed=seed) for model, seed in pairs),
        *(published(model, seed=seed, strength=0.25, **er) for model, seed in pairs),
        *(published(model, seed=seed, strength=1.0, **er) for model, seed in pairs),
        published("resnet50", decay_epochs=(1, 2)),
    )
    assert plan.files == Files(photographs="02ab")


SMALL = [
    ("", [Config()]),
    ("[base]\nseed = 3", [Config(seed=3)]),
    ("[base]\nepochs = 2\n[[runs]]\nseed = [1, 2]", [Config(epochs=2, seed=s) for s in (1, 2)]),
    ("[grid]\nseed = [1, 1, 2]\n[[runs]]\n[[runs]]\nseed = 2", [Config(seed=1), Config(seed=2)]),
    # a list in the base means each as well, and one value in the grid itself
    ("[base]\nseed = [1, 2]\n[grid]\nwidth = 8", [Config(width=8, seed=s) for s in (1, 2)]),
    # a block's setting wins over the grid's and the base's
    ("[base]\nwidth = 8\n[grid]\nseed = [0, 1]\n[[runs]]\nseed = 7", [Config(seed=7, width=8)]),
    # so does epsilon over strength, its other name
    (
        "[base]\nregularizer = 'jsd'\nstrength = 3\n[grid]\nepsilon = [0, 0.5]",
        [Config(), Config(regularizer="jsd", strength=1.0)],
    ),
    # a list of lists for a setting that is a list
    (
        "[base]\nschedule = 'step'\n[grid]\ndecay_epochs = [[], [2, 4]]",
        [Config(schedule="step"), Config(schedule="step", decay_epochs=(2, 4))],
    ),
    (
        "[base]\nmethod = 'has'\nerase_sides = [8]\n[grid]\nerase_rate = [0.1, 0.2]",
        [Config(method="has", erase_sides=(8,), erase_rate=rate) for rate in (0.1, 0.2)],
    ),
]


@pytest.mark.parametrize(("text", "expected"), SMALL)
def test_small_plans_by_hand(text, expected):
    plan = plans.parse(f'title = "t"\n{text}', "t.toml")
    assert list(plan.configs) == expected and plan.files == Files()


def test_own_code_is_named_and_not_imported():
    text = 'title = "t"\n[base]\nregularizer = "rude:pull"\nprobes = ["rude:probe"]\nepsilon = 0.5'
    (config,) = plans.parse(text, "t.toml").configs
    assert config.regularizer == "rude:pull" and config.probes == ("rude:probe",)
    assert config.strength == 1.0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed =", "sead =", "unknown setting 'sead' in grid: do you mean 'seed'"),
        ('"epochs" = 3', "base.x = 1", "unknown setting 'base' in base: "),
        ('"epochs" = 3', 'xyzzy = ""', "unknown setting 'xyzzy' in base: known ones: `run --help`"),
        ('"epochs" = 3', "epochs.x = 3", "epochs={'x': 3}: give a whole number"),
        ('"epochs" = 3', "epochs = -3", "epochs=-3: give a whole number"),
        ("seed = [0, 1]", "seed = []", "seed in grid is an empty list"),
        (
            "seed = [0, 1]",
            "seed = [0, 1.5]",
            r"seed=1.5: give a whole number \(\[\[runs\]\] 1 with .*seed = 1.5\)",
        ),
        ("0.5]", "1.5]", r"epsilon=1.5: give a number in \[0, 1\) \(\[\[runs\]\] 2 with epsilon ="),
        ("0.5]", "0.5]\nstrength = 1", "epsilon and strength say the same .* 2 with epsilon = 0.2"),
        ('"preresnet18"', '"prenet"', "unknown model 'prenet': .*with .*model = 'prenet'"),
        ('"wsol_evaluation"', '"wsol"', "unknown preset 'wsol': known are adl_code"),
        ("[1, 2]", "[2, 1]", r"decay_epochs=\(2, 1\): give rising .*\[\[runs\]\] 3 with"),
        ("[files]", "[other]", "unknown key 'other': a plan has title"),
        ("[base]", "[[base]]", r"base must be a section that begins with \[base\]"),
        ("photographs", "images", "unknown setting 'images' in files: known ones: weights, photog"),
        ("title =", "titel =", "unknown key 'titel'"),
        ('title = "two networks"', "", "a plan needs a title"),
        ('paper = "main table"', "paper = 3", "paper must be a text"),
        ("[grid]\n", "[grid\n", "is not TOML: .*line 8"),
    ],
)
def test_what_is_wrong_is_said_with_file_section_and_setting(old, new, sentence):
    assert old in PLAN
    with pytest.raises(ValueError, match=rf"^mine\.toml(: | ){sentence}") as caught:
        plans.parse(PLAN.replace(old, new, 1), "mine.toml")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"runs must be a section that begins with \[\[runs\]\]"):
        plans.parse('title = "t"\nruns = 3', "t.toml")


def test_files_are_found_by_path_and_packaged_plans_by_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    assert plans.load(path) == plans.load(str(path)) == plans.parse(PLAN, "mine.toml")
    for coding in ("utf-8-sig", "utf-16"):  # as some editors save it
        path.write_bytes(PLAN.replace("\n", "\r\n").encode(coding))
        assert plans.load(path) == plans.parse(PLAN, "mine.toml")
    assert plans.load("world_methods").name == "world_methods"
    with pytest.raises(ValueError, match="no plan 'mine': there are cub30_epsilon, .*in .toml"):
        plans.load("mine")
    with pytest.raises(StorageError, match="there is no file .*gone.toml"):
        plans.load(tmp_path / "gone.toml")
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(StorageError, match="mine.toml is no UTF-8 text: save it as UTF-8"):
        plans.load(path)


# ---- a config by preset and epsilon


def test_epsilon_by_itself_of_other_regularizers_and_over_presets():
    for epsilon in (0.0, 0.1, 0.85, 0.98):
        assert config_of(epsilon=epsilon, seed=2, body=0.5) == grids.er(epsilon, 2, body=0.5)
    assert config_of(epsilon=0.2, regularizer="label_smoothing").strength == 0.2
    assert config_of(epsilon=0.2, regularizer="jsd").strength == pytest.approx(0.25)
    assert config_of(epsilon=0.0, regularizer="jsd") == Config() == config_of()
    birds = config_of("wsol_evaluation", 0.5, dataset="cub", model="resnet50", epochs=3)
    assert birds == published("resnet50", regularizer="kl_uniform", strength=1.0)


def test_photographs_without_a_preset_never_train_as_the_drawn_world_does():
    own = presets.photographs("folder:mine")
    with pytest.warns(
        UserWarning, match=r"^folder:mine trains by the preset photographs, .*rate 0"
    ):
        assert grids.er(0.0, 1, dataset="folder:mine", epochs=3) == own.config(seed=1, epochs=3)
    with pytest.warns(UserWarning, match="cub trains by .*model resnet50, pretrained True, epochs"):
        config = config_of(dataset="cub", model="resnet50")
    assert config == presets.photographs("cub", "resnet50").config()


@pytest.mark.parametrize(
    ("preset", "given", "pretrained", "weights", "statistics"),
    [
        ("modern", {"weights": "mine.pth"}, False, "mine.pth", "published"),
        ("modern", {"pretrained": False}, False, "", "published"),
        ("two_cores", {"pretrained": True}, True, "", "published"),
        ("two_cores", {"weights": "mine.pth"}, False, "mine.pth", "half"),
    ],
)
def test_weights_that_are_named_stand_in_place_of_the_presets(
    preset, given, pretrained, weights, statistics
):
    config = config_of(preset, dataset="cub", **given)
    assert (config.pretrained, config.weights) == (pretrained, weights)
    assert config.statistics == statistics


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"epsilon": True}, "epsilon=True: give a number"),
        ({"epsilon": "0.5"}, "epsilon='0.5': give a number"),
        ({"epsilon": 0.5, "regularizer": "none"}, "an epsilon needs a regularizer"),
        ({"preset": "modern"}, "no preset for the data set 'toy': modern trains photographs"),
        ({"preset": "modern", "dataset": "shoal"}, "no preset for the data set 'shoal': modern"),
        ({"dataset": "shoal"}, "images of shoal show several classes: choose multilabel="),
    ],
)
def test_what_is_no_config_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        config_of(**given)


# ---- the plans that come with the package

# runs by hand: data sets x networks x methods x strengths x seeds
PAPER = {
    "table_main": 5 * 2 * 5 * 2 * 3,
    "regularisers": (1 + 5 * 6) * 3 + 2 * 2 * 3,
    "lambda_ablation": 2 * 2 * (1 + 4 + 4 - 1) * 3,
    "entropy_curve": 2 * 12 * 3,
    "wsol_evaluation": 2 * 5 * 3 * 3,
}


def test_plans_of_the_paper_are_whole_and_others_with_the_grids_are_the_committed_records():
    """So a plan, a preset or a default that changes its runs is noticed."""
    stems = [path.stem for path in store.committed_folder().glob("*.json")]
    stem_of = {stem.rpartition("-")[0]: stem for stem in stems} | {stem: stem for stem in stems}
    assert set(PAPER) < set(plans.names())
    wanted = set(grids.ALL)
    for name in plans.names():
        plan = plans.load(name)
        assert len({config.name for config in plan.configs}) == len(plan.configs)
        assert plan.title and (plan.paper or name.startswith(("cub30_", "voc_animals")))
        if name in PAPER:
            assert len(plan.configs) == PAPER[name]
        else:
            wanted |= set(plan.configs)
    found = set()
    for config in wanted:
        settings, code = config.to_dict(), config.code
        names = [store.name_of(settings, code, protocol) for protocol in store.PROTOCOLS]
        found |= {next(stem_of[name] for name in names if name in stem_of)}
    others = set(stems) - found
    assert len(others) == 13 and all(stem.startswith("folder.drawn_") for stem in others)  # of 12


def test_main_table_holds_each_pair_with_and_without_er_and_the_ablation_both_readings():
    configs = plans.load("table_main").configs
    cells = Counter((c.dataset, c.model, c.method, c.regularizer) for c in configs)
    assert set(cells.values()) == {3} and len(cells) == 100
    # lambda = 1e-4 over 1,000 outputs
    assert {c.strength for c in configs if c.regularizer == "kl_uniform"} == {0.1}
    configs = plans.load("lambda_ablation").configs
    lambdas = (1e-4, 1e-3, 1e-2, 1e-1)
    both = {0.0, *lambdas, *(round(value * 1000, 9) for value in lambdas)}
    assert {config.strength for config in configs} == both
