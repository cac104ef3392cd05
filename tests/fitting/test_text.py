"""What is said of the number of breaks."""

import numpy as np
import pytest

import bnsl
from bnsl._base.display import FitWarning
from bnsl.evidence.breaks import Candidate
from bnsl.fitting.text import verdict, with_verdict

THREE = (Candidate(0, -9.0, 0.0), Candidate(1, 3.0, 0.95), Candidate(2, 0.0, 0.05))
MISSING = FitWarning("break_missing", "another break would be visible")


def test_probabilities_are_of_laws_that_were_weighed():
    assert verdict(THREE) == "chosen by evidence; probability among these: 0 (0%), 1 (95%), 2 (5%)"
    assert verdict(THREE, "BIC").startswith("chosen by BIC; probability")


def test_where_nothing_else_was_weighed_no_probability_is_given():
    result = bnsl.fit([1.0, 2.0, 5.0, 9.0], [1.0, 0.81, 0.62, 0.55])
    assert verdict(result.candidates) == "0 used; 1 or more were not considered: 7 points are needed"
    assert "100%" not in result.summary()
    assert [note.code for note in result.warnings] == ["few_points"]


def test_a_missing_break_that_was_weighed_is_no_missing_break():
    other = FitWarning("not_converged", "the steps ran out")
    notes = with_verdict([MISSING, other], THREE, 1)
    assert [note.code for note in notes] == ["structure_left", "not_converged"]
    (kept,) = with_verdict([MISSING], THREE, 2)
    assert kept.code == "break_missing"
    assert "3 or more were not considered: 13 points are needed" in kept.message
    (open_,) = with_verdict([MISSING], (Candidate(1, 0.0, 0.4), Candidate(2, 0.4, 0.6)), 1)
    assert open_.code == "breaks_unsettled"
    assert "2 breaks might explain" in open_.message
    (most,) = with_verdict([MISSING], (*THREE, Candidate(3, 9.0, 1.0)), 3)
    assert "more than 3 breaks were not considered" in most.message


@pytest.mark.parametrize("seed", range(3))
def test_summary_and_warnings_never_contradict_each_other(seed):
    rng = np.random.default_rng(seed)
    x = np.geomspace(1, 1e3, 50)
    y = x**-0.3 * np.exp(0.02 * np.sin(3.0 * np.log(x) + seed) + 0.003 * rng.normal(size=50))
    result = bnsl.fit(x, y)
    weighed = {candidate.n_breaks for candidate in result.candidates}
    if result.n_breaks + 1 in weighed:
        assert "break_missing" not in [note.code for note in result.warnings]
