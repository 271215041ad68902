"""Names that stand for somebody's own code, and the digest of the source behind them."""

import functools
import sys

import pytest

from entreg_utils import names

FLAT = "def pull(z):\n    return z.sum(1)\n\n\nvalue = 3\n"


@pytest.mark.parametrize(
    ("value", "own"),
    [
        ("mine:pull", True),
        ("package.module:Class.method", True),
        (len, True),
        (dict, True),
        ("kl_uniform", False),
        ("timm:resnet18", False),
        ("folder:photos", False),
        ("folder:/a/b", False),
        ("C:\\photos", False),
        ("a:b:c", False),
        (3, False),
    ],
)
def test_what_is_own(value, own):
    assert names.is_own(value) is own


def test_a_name_is_resolved_and_a_function_is_itself(own_code):
    own_code("mine", FLAT)
    pull = names.resolve("mine:pull", "regularizer")
    assert pull is sys.modules["mine"].pull and names.resolve(pull, "regularizer") is pull
    assert names.text_of(pull) == "mine:pull" == names.text_of("mine:pull")
    assert names.travels(pull) and names.travels("mine:pull") and names.travels("kl_uniform")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine:push", "probe 'mine:push': mine has no 'push'"),
        ("gone:pull", r"probe 'gone:pull' cannot be imported \(ModuleNotFoundError: .*PYTHONPATH"),
        ("torn:pull", r"probe 'torn:pull' cannot be imported \(SyntaxError"),
        ("rude:pull", r"probe 'rude:pull' cannot be imported \(RuntimeError: no"),
        ("mine:value", "probe 'mine:value' is int: give a name or a function"),
    ],
)
def test_what_cannot_be_resolved_is_one_sentence(own_code, name, sentence):
    for module, text in (("mine", FLAT), ("torn", "def"), ("rude", "raise RuntimeError('no')")):
        own_code(module, text)
    with pytest.raises(ValueError, match=sentence):
        names.resolve(name, "probe")


def test_a_function_of_a_script_goes_by_the_scripts_file(monkeypatch):
    def pull(z):
        return z

    pull.__module__, pull.__qualname__ = "__main__", "pull"
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/home/me/study.py", raising=False)
    assert names.text_of(pull) == "study:pull" and names.travels(pull)
    for kept in ("/home/me/my study.py", None):  # no name to import it by; a notebook
        monkeypatch.setattr(main, "__file__", kept)
        assert names.text_of(pull) == "__main__:pull" and not names.travels(pull)


def test_what_has_no_name_of_its_own_stays_here_and_what_holds_values_is_refused():
    def local(z):
        return z

    def holding(k):
        return lambda z: k * z

    class Probe:
        def __call__(self, model, view, prediction):
            return {}

    for value in (local, lambda z: z):
        assert not names.travels(value) and len(names.digest(value)) == 64
    assert names.digest(local) != names.digest(lambda z: z)
    for value in (functools.partial(local, 2), holding(2), Probe()):
        with pytest.raises(ValueError, match="holds values that no name tells"):
            names.text_of(value)


def test_the_digest_is_of_the_file_and_those_beside_it_that_it_imports_and_nothing_is_run(own_code):
    helper = "from deeper import depth\nraise RuntimeError('imported')\n"

    def write(mine=FLAT, helper=helper, deeper="depth = 1\n", other="x = 1\n"):
        own_code("mine", f"import torch, helper\n{mine}")
        for name, text in (("helper", helper), ("deeper", deeper), ("other", other)):
            own_code(name, text)
        return names.digest("mine:pull")

    before = write()
    assert write() == before and write(other="x = 2\n") == before
    changed = {write(mine=FLAT + "#"), write(helper=helper + "#"), write(deeper="depth = 2\n")}
    assert len(changed | {before}) == 4
    assert not {"mine", "helper", "deeper"} & set(sys.modules)
    own_code("torn", "def")
    assert names.digest("torn:pull")  # it will be refused when it is run
    for value in ("gone:pull", "math:sqrt"):
        with pytest.raises(ValueError, match=f"the source of '{value}' cannot be found: put it in"):
            names.digest(value)


def test_a_package_is_searched_without_running_it(own_code, tmp_path):
    inner = tmp_path / "code" / "package" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    (inner / "__init__.py").write_text("")
    (inner / "mine.py").write_text("from package.inner import beside\n")
    (inner / "beside.py").write_text("x = 1\n")
    before = names.digest("package.inner.mine:pull")
    (inner / "beside.py").write_text("x = 2\n")
    assert names.digest("package.inner.mine:pull") != before != names.digest("package.inner:pull")


def test_a_file_that_changed_is_imported_anew_and_a_function_of_before_is_refused(own_code):
    path = own_code("mine", FLAT)
    pull = names.resolve("mine:pull", "regularizer")
    before = names.digest(pull)
    path.write_text(FLAT + "# changed\n")
    with pytest.raises(ValueError, match="mine.py or a file beside it has changed since this"):
        names.digest(pull)  # the old function would be trained under the new digest
    assert names.digest("mine:pull") != before
    again = names.resolve("mine:pull", "regularizer")
    assert again is not pull and names.digest(again) == names.digest("mine:pull")
