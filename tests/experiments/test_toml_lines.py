"""Lines of keys in TOML, in every way that TOML writes them."""

import pytest
from entreg_utils.experiments.toml_lines import Source

TEXT = '''\
# seed = 1
a.b = 1
"quoted key" = 2
text = """
seed = 3
[grid]
"""
inline = { one = 1, two = 2 }

[grid]   # the real one
list = [
  1,
  2,
]
seed = 4
[[runs]]
x = 1
[[runs]]
x = "\u2028 is no end of a line"
y = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a", "b"), 2),
        (("quoted key",), 3),
        (("text",), 4),
        (("inline", "two"), 8),
        (("grid",), 10),
        (("grid", "list"), 11),
        (("grid", "seed"), 15),
        (("runs", 0), 16),
        (("runs", 0, "x"), 17),
        (("runs", 1, "x"), 19),
        (("runs", 1, "y"), 20),
        (("runs", 2), None),
        (("seed",), None),
    ],
)
def test_a_key_is_found_where_its_statement_begins(path, line):
    assert Source("t.toml", TEXT).line(path) == line


def test_errors_name_file_and_line():
    source = Source("t.toml", TEXT)
    assert str(source.error("no", "grid", "seed")) == "t.toml, line 15: no"
    assert str(source.error("no", "nowhere")) == str(source.error("no")) == "t.toml: no"


def test_the_culprit_is_the_field_named_with_its_value():
    source = Source("t.toml", TEXT)
    sections = (("runs", 1), ("grid",))
    given = {"y": 2, "x": 1, "seed": 4, "other": 0}
    assert source.culprit("y is wrong", given, sections) == ("runs", 1, "y")
    assert source.culprit("x does not go with seed=4", given, sections) == ("grid", "seed")
    assert source.culprit("other is in no section", given, sections) == ()
    assert source.culprit("nothing is named", given, sections) == ()
