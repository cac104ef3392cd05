"""Outliers, told from breaks and from noise."""

import numpy as np
import pytest

import bnsl
from bnsl.fitting.outliers import isolated, outlying


def curve(seed=0, count=40):
    rng = np.random.default_rng(seed)
    log_x = np.sort(rng.uniform(0, 8, count))
    return log_x, -0.3 * log_x + 0.01 * rng.standard_normal(count)


def test_one_point_off_is_found_and_noise_is_not():
    for seed in range(20):
        log_x, log_y = curve(seed)
        assert not isolated(log_x, log_y).any()
        log_y[11 + seed] += 0.5
        assert np.flatnonzero(isolated(log_x, log_y)).tolist() == [11 + seed]


def test_breaks_and_steps_are_no_outliers():
    log_x, log_y = np.linspace(0, 8, 30), np.random.default_rng(1).normal(0, 0.003, 30)
    assert not isolated(log_x, log_y - 2.0 * np.maximum(log_x - 4.1, 0)).any()
    assert not isolated(log_x, log_y - 2.0 * (log_x > 4.1)).any()


def test_two_in_a_row_are_found_beside_a_law_and_a_run_is_a_feature():
    log_x = np.linspace(0, 8, 40)
    law = -0.3 * log_x
    log_y = law + 0.01 * np.random.default_rng(3).standard_normal(40)
    log_y[[8, 9, 30]] += 0.6
    assert np.flatnonzero(outlying(log_x, log_y, law - log_y)).tolist() == [8, 9, 30]
    log_y[14:20] -= 0.6
    assert not outlying(log_x, log_y, law - log_y)[14:20].any()


@pytest.mark.parametrize("level", [2.5, 1e-9, 7.3e12])
def test_curves_without_noise_have_no_outliers(level):
    x = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0])
    for y in (np.full(9, level), level * x**-0.37):
        assert not isolated(np.log(x), np.log(y)).any()
        assert "outliers" not in [note.code for note in bnsl.forecast(x, y).warnings]
