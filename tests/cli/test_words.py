"""Messages of the package in the words of the shell."""

import pytest

from bnsl.cli._words import error_in_words_of_shell, in_words_of_shell

SAID = [
    (
        "take one (where={'run': 'a b'}), the last (keep='last')",
        "take one (--where 'run=a b'), the last (--keep last)",
    ),
    (
        "their envelope (envelope=True), or x= takes another",
        "their envelope (--envelope), or --x takes another",
    ),
    ("say so (accuracy='percent', resolution=)", "say so (--accuracy-percent, --resolution)"),
    ("or fit it: bnsl.fit(..., loss='linear')", "or fit it: bnsl fit --loss linear"),
    ("such as pattern=r'step (?P<x>\\d+)'", "such as --pattern 'step (?P<x>\\d+)'"),
    (
        "left it out with robust='huber'; points=12 would",
        "left it out with --robust huber; --points 12 would",
    ),
    ("a train_until or n_breaks below it", "a --train-until or --n-breaks below it"),
    ("column 'x', row 3 is 'n_breaks=2'; y[0] = 3", "column 'x', row 3 is 'n_breaks=2'; y[0] = 3"),
    (
        "the last line is 'at step=32 loss=0.9'; keep='last'",
        "the last line is 'at step=32 loss=0.9'; --keep last",
    ),
    ("or another name in bnsl.list_forms()", "or another name in 'bnsl fit --help'"),
    (
        "no column is a learning rate; name it by lr=; the",
        "no column is a learning rate; name it by --lr; the",
    ),
    ("name them by inputs=[...]", "name them by --x ..."),
    ("took x = 'step'; --x chooses another", "took x = 'step'; --x chooses another"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_arguments_become_options(text, said):
    assert in_words_of_shell(text) == said


def test_an_error_may_begin_with_an_argument():
    said = {
        "n_breaks = 9 is too many": "--n-breaks 9 is too many",
        "fixed['f1'] = -1 is impossible": "--fix f1=-1 is impossible",
        "bounds['a'] = (2.0, None): the lower": "--bound a=2,: the lower",
        "fixed: form 'm1' has no": "--fix: form 'm1' has no",
        "cuts[1] = 5 leaves nothing": "--cut 5 leaves nothing",
        "y[4] = -1 is not positive": "y of point 5 = -1 is not positive",
        "forms names 'm1' twice": "--forms names 'm1' twice",
        "form = 'zz' is unknown": "--forms 'zz' is unknown",
        "inputs = ['N', 'D'] names": "--x N,D names",
        "resolution is that of an accuracy": "--resolution is that of an accuracy",
        "path = 'a b.pdf' must end in .html": "--output 'a b.pdf' must end in .html",
        "run 'a b': warmup = -1 must be": "run 'a b': --warmup -1 must be",
        "name = 'zz' is unknown": "NAME 'zz' is unknown",
        "--level = 3 must lie": "--level 3 must lie",
        "law = 'zz' is unknown": "law = 'zz' is unknown",  # which this command does not take
        r"pattern = '\\d(' is no": r"--pattern '\d(' is no",
        "--target 5: write --target x=1,y=2": "--target 5: write --target x=1,y=2",
    }
    names = [
        "n-breaks",
        "fix",
        "bound",
        "cut",
        "forms",
        "x",
        "y",
        "resolution",
        "output",
        "warmup",
        "pattern",
    ]
    options = {name.replace("-", "_"): f"--{name}" for name in names} | {"name": "NAME"}
    assert {text: error_in_words_of_shell(text, options) for text in said} == said


def test_a_column_that_is_not_there_is_named_by_its_option():
    options = {"x": "--x", "where": "--where"}
    assert error_in_words_of_shell("x: there is no column 'n'", options).startswith("--x: there is no column")
    assert error_in_words_of_shell("where: there is no column 'n'", options).startswith("--where: there")
    assert error_in_words_of_shell("x and y: say which", options).startswith("x and y:")
    assert in_words_of_shell("inputs=['N', 'D'] fits") == "--x N,D fits"
    assert in_words_of_shell("by bnsl.fit_replay(share, loss)") == "by bnsl.fit_replay(share, loss)"
