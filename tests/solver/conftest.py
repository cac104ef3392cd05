"""What all tests of the solver run under."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _silence():
    """The drivers silence NumPy, once for all: formulas overflow far from where the data are."""
    with np.errstate(all="ignore"):
        yield
