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
    ("took x = 'step'; --x chooses another", "took x = 'step'; --x chooses another"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_arguments_become_options(text, said):
    assert in_words_of_shell(text) == said


def test_an_error_may_begin_with_an_argument():
    said = {
        "n_breaks = 9 is too many": "--n-breaks 9 is too many",
        "fixed['f1'] = -1 is impossible": "--fix f1 -1 is impossible",
        "cuts[1] = 5 leaves nothing": "--cut 5 leaves nothing",
        "y[4] = -1 is not positive": "y of point 5 = -1 is not positive",
        "forms names 'm1' twice": "--forms names 'm1' twice",
        "path = 'a.pdf' must end in .html": "--output 'a.pdf' must end in .html",
    }
    assert {text: error_in_words_of_shell(text) for text in said} == said


def test_a_column_that_is_not_there_is_named_by_its_option():
    assert error_in_words_of_shell("x: there is no column 'n'").startswith("--x: there is no column")
    assert error_in_words_of_shell("x and y: say which").startswith("x and y:")
    assert in_words_of_shell("inputs=['N', 'D'] fits") == "--x N,D fits"
    assert in_words_of_shell("by bnsl.fit_replay(share, loss)") == "by bnsl.fit_replay(share, loss)"
