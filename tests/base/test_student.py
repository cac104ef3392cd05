import numpy as np
import pytest
from scipy.special import stdtrit

from bnsl._base.student import half_width


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 5, 8, 13, 50, 101, 4096])
def test_half_widths_are_those_of_scipy(dof):
    levels = [0.01, 0.3, 0.5, 0.6827, 0.9, 0.95, 0.99, 0.9999]
    found = [half_width(level, dof) for level in levels]
    np.testing.assert_allclose(found, stdtrit(dof, 0.5 + np.array(levels) / 2), rtol=1e-11)


def test_extreme_levels():
    assert half_width(0.0, 7) == 0.0
    assert half_width(1 - 1e-12, 1) == pytest.approx(2e12 / np.pi, rel=1e-3)
    assert half_width(1 - 1e-12, 40) == pytest.approx(stdtrit(40, 1 - 0.5e-12), rel=1e-3)
    assert half_width(np.nextafter(1.0, 0.0), 3) < np.inf
