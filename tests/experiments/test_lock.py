"""The lock of a run: one holder, and a sentence where it cannot be made."""

import threading

import pytest
from entreg_utils.experiments.lock import only_one

from entreg_utils.files import StorageError


def test_the_second_waits_for_the_first(tmp_path, capsys):
    path, order = tmp_path / "results" / "run.lock", []

    def second():
        with only_one(path):
            order.append("second")

    with only_one(path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "another process trains run: waiting for its record\n"


def test_an_exception_frees_it(tmp_path):
    with pytest.raises(KeyError), only_one(tmp_path / "run.lock"):
        raise KeyError
    with only_one(tmp_path / "run.lock"):
        pass


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(StorageError, match="cannot make .*results: .* ENTREG_RESULTS"):
        only_one(tmp_path / "results" / "run.lock")
