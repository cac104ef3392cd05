"""Final losses against the share of old data: Table 2 of arXiv 2403.08763, and bad input."""

import numpy as np
import pytest

import bnsl

# Table 2 of arXiv 2403.08763: replay, loss of old and of new data, and the union's.
WEAK = (
    [0, 0.005, 0.01, 0.05, 0.1, 0.5],
    [2.44, 2.27, 2.26, 2.23, 2.21, 2.16],
    [2.5, 2.5, 2.5, 2.51, 2.51, 2.54],
)
STRONG = (
    [0, 0.01, 0.05, 0.1, 0.25, 0.5],
    [3.56, 2.83, 2.57, 2.46, 2.33, 2.24],
    [1.11, 1.12, 1.12, 1.13, 1.16, 1.22],
)


@pytest.mark.parametrize(
    ("table", "law", "most"),
    [(WEAK, "log", 0.006), (WEAK, "power", 0.006), (STRONG, "log", 0.009), (STRONG, "power", 0.002)],
)
def test_the_table_is_fitted(table, law, most):
    found = bnsl.fit_replay(table[0], table[1], law)
    assert found.rmse < most
    np.testing.assert_allclose(found.predict(table[0]), table[1], atol=3 * most)


def test_the_power_law_is_found_where_it_is_the_better_one():
    found = bnsl.fit_replay(STRONG[0], STRONG[1])
    assert dict(zip([fit.law for fit in found.fits], found.weights, strict=True))["power"] > 0.9
    low, high = found.interval(0.02)
    assert low < found.predict(0.02) < high


@pytest.mark.parametrize(
    ("table", "union", "share"), [(WEAK, (2.17, 2.53), 0.05), (STRONG, (2.26, 1.25), 0.25)]
)
def test_the_papers_shares_come_within_two_per_cent_of_the_unions_perplexity(table, union, share):
    old, new = (bnsl.fit_replay(table[0], losses) for losses in table[1:])
    assert bnsl.critical_replay(old, new, union, 0.02, table[0]) == share
    assert bnsl.critical_replay(old, new, (1.0, 1.0), 0.02) is None
    fine = bnsl.critical_replay(old, new, union)
    excess = 0.5 * (old.predict(fine) + new.predict(fine) - sum(union))
    assert np.log(1.02) - 0.005 < excess <= np.log(1.02)


def test_a_known_law_is_found_again():
    share = np.array([0, 0.01, 0.03, 0.1, 0.3, 0.7])
    found = bnsl.fit_replay(share, 2.0 + 0.3 * (share + 0.005) ** -0.25, "power")
    assert found.predict(0.2) == pytest.approx(2.0 + 0.3 * 0.205**-0.25, rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bnsl.fit_replay([0, 0.1, 0.5, 1.5], [4, 3, 2, 1]),
            r"share\[3\] = 1.5 lies outside \[0, 1\]",
        ),
        (lambda: bnsl.fit_replay([0, 0.1, 0.5], [3, 2, 1]), "3 distinct values"),
        (lambda: bnsl.fit_replay([0, 0.1, 0.5, 1], [4, 3, 2, -1]), r"loss\[3\] = -1 is not positive"),
        (lambda: bnsl.fit_replay(WEAK[0], WEAK[1], "powr"), "Did you mean 'power'"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()
