"""Tasks of a table, and what is done where the program fails."""

import numpy as np
import pytest
from normal_problems import U, noisy

from bnsl.curves.ragged import Curves
from bnsl.forms.broken import BNSL
from bnsl.many import work
from bnsl.many.columns import in_order
from bnsl.many.rows import rows_of, silent
from bnsl.many.settings import Settings


@pytest.mark.parametrize(
    ("loss", "fine"),
    [
        ("log", [True, False, False, False, False, False, False]),
        ("log1p", [True, False, False, True, False, True, False]),
        ("linear", [True, False, False, True, False, True, False]),
    ],
)
def test_what_cannot_be_fitted_together(loss, fine):
    x = np.tile([1.0, 2.0, 3.0, 4.0], 7)
    y = np.tile([4.0, 3.0, 2.5, 2.2], 7)
    y[4 + 1], x[8 + 0], y[12 + 3], x[16:20], y[20] = np.nan, -1.0, 0.0, [1, 1, 1, 2], 1e100
    sigma = np.ones(28)
    sigma[25] = 0.0
    curves = Curves(x, y, sigma, np.arange(0, 29, 4))
    assert in_order(curves, 16, loss).tolist() == fine


def test_work_begun_ahead_gives_the_same_rows(monkeypatch):
    y = noisy(3)
    curves = Curves(np.tile(np.exp(U), 3), y.ravel(), None, np.arange(0, 193, 64))
    settings = Settings(BNSL(1), 1, {"loss": "log"}, (10.0,))
    whole = rows_of(curves, settings)
    ahead = work._begun(curves, settings, silent)()
    np.testing.assert_allclose(ahead["rmsle"], whole["rmsle"], rtol=1e-12)

    def failing(*_):
        raise RuntimeError("no luck")

    for begin in (failing, lambda *_: failing):  # at the beginning, and at the end
        monkeypatch.setattr(work, "begin_rows", begin)
        again = work._begun(curves, settings, silent)()
        np.testing.assert_allclose(again["rmsle"], whole["rmsle"], rtol=1e-12)


def test_rows_are_counted_as_they_come():
    y = noisy(4)
    y[2] = np.exp(-0.3 * U)  # without noise: it is looked at alone
    curves = Curves(np.tile(np.exp(U), 4), y.ravel(), None, np.arange(0, 257, 64))
    told = []
    rows_of(curves, Settings(BNSL(1), 1, {"loss": "log"}, ()), told.append)
    assert sum(told) == pytest.approx(4)
