"""The normal distribution function against SciPy's."""

import numpy as np
from scipy.special import ndtr as theirs

from bnsl._base.normal import ndtr


def test_it_is_scipys_to_rounding():
    z = np.linspace(-37.0, 37.0, 20_001)
    np.testing.assert_allclose(ndtr(z), theirs(z), rtol=2e-14)


def test_ends():
    with np.errstate(invalid="ignore"):
        found = ndtr(np.array([-np.inf, 0.0, np.inf, np.nan]))
    np.testing.assert_allclose(found, [0.0, 0.5, 1.0, np.nan], rtol=1e-14)
