"""The normal distribution function and quantiles of Student's t against SciPy's."""

import numpy as np
import pytest
from scipy.special import ndtr as theirs
from scipy.special import stdtrit

from bnsl._base.normal import ndtr, students_t


def test_it_is_scipys_to_rounding():
    z = np.linspace(-37.0, 37.0, 20_001)
    np.testing.assert_allclose(ndtr(z), theirs(z), rtol=2e-14)


def test_ends():
    with np.errstate(invalid="ignore"):
        found = ndtr(np.array([-np.inf, 0.0, np.inf, np.nan]))
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0, np.nan], rtol=1e-14)


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 5, 8, 31, 200, 1001, 20_000])
def test_quantiles_of_students_t_are_scipys(dof):
    level = np.array([0.01, 0.1, 0.5, 0.6827, 0.9, 0.99, 0.9999])
    found = [students_t(share, dof) for share in level]
    np.testing.assert_allclose(found, stdtrit(dof, 0.5 + 0.5 * level), rtol=1e-9)


def test_students_t_without_degrees_of_freedom_is_unknown():
    assert np.isnan(students_t(0.9, 0))
