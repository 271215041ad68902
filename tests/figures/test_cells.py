"""Which cells a cell depends on: worked out by hand for notebooks of a few lines."""

import pytest

from entreg_utils.figures.cells import needed

CASES = {
    "what it reads, and what that reads": (["a = 1", "b = a", "c = 2", "print(b)"], [0, 1]),
    "the last cell that binds a name": (["a = 1", "a = 2", "print(a)"], [1]),
    "not what it binds itself first": (["figure = 1", "figure = 2; print(figure)"], []),
    "the value of an assignment is read before": (["a = 1", "a = a + 1"], [0]),
    "so is what is added to": (["a = 1", "a += 1"], [0]),
    "a branch may bind or not": (["a = 1", "if b: a = 2", "b = 3", "print(a)"], [0, 1]),
    "a loop binds": (["a = 1", "for a in [2]: pass", "print(a)"], [1]),
    "with binds": (["a = 1", "with open('x') as a: pass", "print(a)"], [1]),
    "imports": (["import os.path as p, sys", "from m import q", "p.x(q)"], [0, 1]),
    "importing a package": (["import os.path", "os.sep"], [0]),
    "a change by a method": (["a = []", "a.append(1)", "print(a)"], [0, 1]),
    "a change of an item": (["a, b = {}, 1", "a['k'] = b", "print(a)"], [0, 1]),
    "a change of an attribute": (["a = f()", "a.x.y = 1", "print(a)"], [0, 1]),
    "a change by a function": (["net = 1", "fit(net)", "print(net)"], [0, 1]),
    "no change by a look": (["import m; a = 1", "m.show(a); print(a)", "print(m, a)"], [0]),
    "no change of a module": (["import m", "m.act()", "m.x"], [0]),
    "the style": (["x.use_style()", "plt.rcParams['a'] = 1", "b = 1", "1"], [0, 1]),
    "a function's names": (["k = 1", "def f(x): y = k; return x + y", "f(1)"], [0, 1]),
    "as they are when it is called": (["k = 1", "def f(): return k", "k = 2", "f()"], [1, 2]),
    "through other functions": (["k = 1", "def g(): return k", "def f(): g()", "f()"], [0, 1, 2]),
    "what a function changes": (
        ["rows = []", "def read(x): rows.append(x)", "y = read(1)", "print(rows)"],
        [0, 1, 2],
    ),
    "a decorator and a default": (
        ["d = 1", "e = 2", "@d\ndef f(x=e): pass\nb = 1", "b"],
        [0, 1, 2],
    ),
    "a class": (["base = 1", "k = 2", "class A(base): z = k", "A()"], [0, 1, 2]),
    "a comprehension keeps its own": (["x = 1", "xs = [2]", "[x for x in xs]"], [1]),
    "so does a lambda": (["x = 1", "k = 2", "(lambda x: x + k)(3)"], [1]),
    "but may bind by walrus": (["y = 1", "[(y := 2) for _ in 'ab']; print(y)"], []),
}


@pytest.mark.parametrize("case", CASES)
def test_needed(case):
    sources, expected = CASES[case]
    target = len(sources) - 1
    assert needed([*sources, "a = k = 9"], target) == [*expected, target]
