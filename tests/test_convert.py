"""Sources become a solved notebook and a student's copy, cell by cell as written down here."""

import json

import convert
import nbformat
import pytest

SOURCE = """\
# %% [markdown]
# # Title
#
# [next](02_next.ipynb), [plain](03_plain.ipynb), [page](../README.md)
# [web](https://a.org/b), [up](#x)

# %%
a = 1

# %% tags=["solution"]
# Exercise: double `a` (2 minutes).
# It is an integer.
#! answer = None
answer = 2 * a  # not a leading comment
# a comment of the solution
answer

# %% tags=["check"]
print(answer)
"""


@pytest.fixture
def source(tmp_path):
    (tmp_path / "src").mkdir()
    exercise = '# %% tags=["solution"]\n#! x = None\nx = 1\n'
    (tmp_path / "src" / "02_next.py").write_text(exercise)
    (tmp_path / "src" / "03_plain.py").write_text("# %%\nx = 1\n")
    path = tmp_path / "src" / "01_one.py"
    path.write_text(SOURCE)
    return path


def test_solved_drops_the_students_lines_and_keeps_the_rest(source):
    notebook = convert.solved(source)
    cells, task = notebook.cells, "# Exercise: double `a` (2 minutes).\n# It is an integer.\n"
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code", "code"]
    assert cells[2].source == (
        f"{task}answer = 2 * a  # not a leading comment\n# a comment of the solution\nanswer"
    )
    assert [cell.metadata for cell in cells[2:]] == [{"tags": ["solution"]}, {"tags": ["check"]}]
    once = convert.render(notebook)
    assert once == convert.render(convert.solved(source))  # the same bytes
    ids = [cell["id"] for cell in json.loads(once)["cells"]]
    assert len(set(ids)) == len(ids)
    source.write_text("# %%\n# !ls\nx = 1\n")  # magics stay as they are written
    assert convert.solved(source).cells[0].source == "# !ls\nx = 1"


def test_student_keeps_the_task_and_the_placeholder_and_links_from_one_folder_deeper(source):
    cells = convert.student(source).cells
    assert cells[3].source == (
        "# Exercise: double `a` (2 minutes).\n# It is an integer.\nanswer = None"
    )
    assert cells[3].metadata == {"tags": ["exercise"]}
    assert cells[1].source.startswith("> **Your copy.**")
    assert cells[4].source == "print(answer)"
    assert cells[5].metadata == {"tags": ["report"]}
    assert 'checks.report(name="", notebook="01")' in cells[5].source
    assert cells[1].source.endswith("[01_one.ipynb](../01_one.ipynb).")
    assert "[next](02_next.ipynb)" in cells[0].source  # has a student's copy beside this one
    assert "[plain](../03_plain.ipynb), [page](../../README.md)" in cells[0].source
    assert "[web](https://a.org/b), [up](#x)" in cells[0].source
    assert convert.student(source.with_name("03_plain.py")) is None  # no exercises, no copy


def test_other_tags_stay_in_both_notebooks(source):
    source.write_text(
        '# %% tags=["figure:plane"]\nx = 1\n\n'
        '# %% tags=["solution", "figure:own"]\n#! y = None\ny = 1\n'
    )
    solved, student = convert.solved(source), convert.student(source)
    assert [cell.metadata["tags"] for cell in solved.cells] == [
        ["figure:plane"],
        ["solution", "figure:own"],
    ]
    tags = [cell.metadata["tags"] for cell in student.cells if cell.cell_type == "code"]
    assert tags == [["figure:plane"], ["exercise", "figure:own"], ["report"]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# %%\n" + "x = 1\n" * 41, "over 40 lines"),
        ("# %%\n\n# %%\nx = 1\n", "cell 0 is empty"),
        ('# %% tags=["solution"]\nx = 1\n', "cell 0 .* no line for the student"),
    ],
)
def test_long_and_empty_cells_and_solutions_without_a_placeholder_are_refused(
    source, text, sentence
):
    source.write_text("# %%\n" + "x = 1\n" * 40)
    assert len(convert.read(source).cells) == 1
    source.write_text(text)
    with pytest.raises(convert.BuildError, match=sentence):
        convert.student(source)


def write_built(source, counts=(1, 2, 3)):
    """The built pair of `source`, as an execution that counts its cells so would leave it."""
    folder = source.parents[1]
    notebook = convert.solved(source)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, count in zip(codes, counts, strict=True):
        cell.execution_count = count
    (folder / "01_one.ipynb").write_text(convert.render(notebook))
    (folder / "exercises").mkdir(exist_ok=True)
    (folder / "exercises" / "01_one.ipynb").write_text(convert.render(convert.student(source)))
    return folder


def test_what_was_edited_is_out_of_step(source):
    folder = write_built(source)
    assert convert.out_of_step(source, folder) == convert.orphans(folder) == []
    built = nbformat.read(folder / "01_one.ipynb", as_version=4)
    built.cells[0].source += " edited"
    nbformat.write(built, folder / "01_one.ipynb")
    one = "01_one.ipynb is not what src/01_one.py gives"
    assert convert.out_of_step(source, folder) == [one]
    write_built(source)
    source.write_text(SOURCE.replace("a = 1", "a = 2"))
    assert convert.out_of_step(source, folder) == [one, f"exercises/{one}"]


@pytest.mark.parametrize("counts", [(2, 3, 4), (1, 3, 2), (None, None, None)])
def test_a_notebook_not_run_in_order_is_refused(source, counts):
    (fault,) = convert.out_of_step(source, write_built(source, counts))
    assert fault == "01_one.ipynb was not executed from top to bottom in a fresh kernel"


def test_missing_files_and_files_without_a_source_are_named(source):
    folder = write_built(source)
    (folder / "01_one.ipynb").rename(folder / "09_gone.ipynb")
    assert convert.out_of_step(source, folder) == ["01_one.ipynb is not built"]
    assert convert.orphans(folder) == ["09_gone.ipynb has no source; remove it"]


def test_with_an_address_each_notebook_begins_with_colabs_cell(source, monkeypatch):
    monkeypatch.setattr(convert, "REPOSITORY", "")
    plain = convert.solved(source).cells
    monkeypatch.setattr(convert, "REPOSITORY", "https://example.org/course")
    solved, student = convert.solved(source).cells, convert.student(source).cells
    added = solved[1]
    assert added.metadata.tags == ["elsewhere"]
    assert "git clone -q --depth 1 https://example.org/course entreg\n" in added.source
    assert [c.source for c in solved if c is not added] == [c.source for c in plain]
    assert [c.source for c in student[:3]][2] == added.source
    assert "Your copy" in student[1].source
