"""``checks.report()`` and the table of a class: what was passed, and files that do not count."""

import pytest

from entreg_utils import __main__ as cli
from entreg_utils import checks
from entreg_utils.checks import check, marks
from entreg_utils.checks.check import WORDS, passing
from entreg_utils.files import StorageError


@pytest.fixture
def session(monkeypatch, tmp_path, capsys):
    """An empty session, and results of its own."""
    monkeypatch.setattr(check, "SESSION", {})
    monkeypatch.setattr(marks, "SESSION", check.SESSION)
    monkeypatch.setenv("ENTREG_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ENTREG_STUDENT", raising=False)
    monkeypatch.chdir(tmp_path)
    return check.SESSION


def answer(*answers):
    for one in answers:
        checks.hidden_share(one)


def test_a_session_knows_attempts_kinds_and_that_passed_stays_passed(session):
    answer(None, 0.5, "x", 0.5, 0.4, 0.9)
    entry = session["hidden_share"]
    assert entry["passed"] and entry["attempts"] == 4 and entry["time"].endswith("+00:00")
    assert entry["said"] == {"none": 1, "rate": 2, "unreadable": 1, "right": 1}


def test_each_exercise_has_rows_that_pass_and_say_so():
    for name in checks.__all__:
        for row in passing(WORDS[name]):
            assert WORDS[name][row].startswith(("right", "complete")), (name, row)


def test_without_an_answer_nothing_is_written(session, tmp_path, capsys):
    answer(None)
    checks.report(name="Ada", notebook="05")
    assert "nothing to write down" in capsys.readouterr().out
    assert not [*tmp_path.iterdir()]


def test_a_report_keeps_what_was_passed_before(session, tmp_path, capsys, monkeypatch):
    answer(0.4)
    checks.report(name="  Ada\nL. ", notebook="05")
    place = tmp_path / "results" / "marks" / "Ada_L_05.json"
    assert f"Ada L.: 1 of 1 exercises passed. The file:\n{place}" in capsys.readouterr().out
    session.clear()  # the kernel is started again, and only one cell run
    answer(None)
    checks.clipped_weight(0.5)
    checks.smallest_side(None)
    monkeypatch.setenv("ENTREG_STUDENT", "Ada L.")
    checks.report(notebook="05")
    assert "1 of 3 exercises passed" in capsys.readouterr().out
    told = marks.read(place)["exercises"]
    assert told["hidden_share"]["passed"] and not told["clipped_weight"]["passed"]
    assert [*place.parent.iterdir()] == [place]


def test_a_path_is_a_file_or_a_folder_and_nobody_elses(session, tmp_path, monkeypatch):
    answer(0.4)
    checks.report("mine.json", name="Ada")
    assert marks.read("mine.json")["notebook"] == ""
    checks.report("own", name="=Ada", notebook="05")
    assert marks.read("own/Ada_05.json")["name"] == "Ada"
    with pytest.raises(StorageError, match="mine.json is the report of Ada on notebook .none.: "):
        checks.report("mine.json", name="Bob")
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(StorageError, match="data.json is no report"):
        checks.report("data.json", name="Ada")
    with pytest.raises(ValueError, match="path="):
        checks.report(3, name="Ada")

    def nobody():
        raise OSError("no user name")

    monkeypatch.setattr(marks.getpass, "getuser", nobody)
    checks.report("own")
    assert marks.read("own/nobody.json")["name"] == "nobody"


def hand_in(session, place, name, notebook, *answers):
    session.clear()
    answer(*answers)
    checks.report(place, name=name, notebook=notebook)


def test_the_table_of_a_class(session, tmp_path, capsys):
    hand_in(session, "class", "Bob", "05", 0.5, 0.5)
    checks.seeds_needed(7, 1.0, 1.0)
    checks.report("class/Bob/08.json", name="Bob", notebook="08")
    hand_in(session, "class", "Ada", "05", 0.5, 0.4)
    hand_in(session, "class/again", "Ada", "05", 0.1)
    hand_in(session, "class", "Eve", "05", 0.1)
    edited = tmp_path / "class" / "Eve_05.json"
    edited.write_text(edited.read_text().replace("false", "true"))
    for name in ("empty.json", "other.json"):
        (tmp_path / "class" / name).write_text("")
    capsys.readouterr()
    assert cli.main(["marks", "class", "--csv", "table.csv"]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "table.csv").read_text().splitlines() == [
        "student,05 hidden_share,08 hidden_share,08 seeds_needed,passed",
        "Ada,1,,,1",
        "Bob,0,0,1,1",
    ]
    assert "most frequent slip, 05 hidden_share: rate, 3 times" in printed
    notes = [line for line in printed.splitlines() if line.startswith("note: ")]
    assert len(notes) == 4
    for words in (
        "is of Ada, as class/Ada_05.json is: what is passed in either counts",
        "class/Eve_05.json was changed after it was written, and does not count",
        "class/empty.json is no report of checks.report()",
        "1 more files are no report",
    ):
        assert sum(words in line for line in notes) == 1


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"digest": 1, "exercises": {}}', "\0", "["])
def test_what_is_no_report_is_one_sentence(session, tmp_path, content, capsys):
    (tmp_path / "a.json").write_text(content)
    assert cli.main(["marks", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "holds no report: " in error and "a.json is no" in error
