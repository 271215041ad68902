"""Fields that are lists or presets on the command line."""

import argparse

import pytest

from entreg_utils.experiments import Config, options


def parsed(*words, leave_out=()):
    parser = argparse.ArgumentParser()
    options.add_config_arguments(parser, leave_out)
    return options.given_fields(parser.parse_args(words))


def test_only_what_is_given_comes_out():
    assert parsed() == {}
    assert parsed("--method", "adl", "--no-flip") == {"method": "adl", "flip": False}


def test_lists_are_written_with_commas():
    words = ["--schedule", "step", "--decay-epochs", "15,30", "--method", "adl"]
    words += ["--erase-points", "stage1,last", "--erase-rate", "0.25"]
    given = parsed(*words)
    assert given["decay_epochs"] == (15, 30) and given["erase_points"] == ("stage1", "last")
    config = Config(**given)
    assert config.erasing.points == ("stage1", "last") and config.erasing.rate == 0.25
    assert parsed("--decay-epochs", "")["decay_epochs"] == ()


@pytest.mark.parametrize("words", [["--decay-epochs", "3,x"], ["--erase-sides", "1.5"]])
def test_a_list_of_something_else_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        parsed(*words)
    assert "give whole numbers like 15,30" in capsys.readouterr().err


def test_choices_are_refused_by_name(capsys):
    for field, words in (("method", ["--method", "cutout"]), ("lists", ["--lists", "mine"])):
        with pytest.raises(SystemExit):
            parsed(*words)
        assert f"argument --{field}: invalid choice" in capsys.readouterr().err


def test_a_field_may_be_left_out(capsys):
    with pytest.raises(SystemExit):
        parsed("--seed", "3", leave_out=("seed",))
    assert "unrecognized arguments: --seed" in capsys.readouterr().err
