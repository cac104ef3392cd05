"""The next run: against brute force, simulation and common sense; from Python and from the shell."""

import itertools
import json

import numpy as np
import pytest
from samples import ADDITION, LAW, noisy

import bnsl
from bnsl import cli
from bnsl.curves.datasets import NOISELESS_LAW
from bnsl.uncertainty.refit import refit, solved

CANDIDATES = np.geomspace(2e6, 2e7, 6)
TARGET = 1e8


@pytest.fixture(scope="module")
def result():
    """A law whose break is well known and whose limit is not."""
    return bnsl.fit(*noisy(count=40, high=1e4), n_breaks=1)


@pytest.fixture(scope="module")
def forecast():
    return bnsl.forecast(ADDITION.x[:14], ADDITION.y[:14])


def variance_with(law, extra, target, noise):
    """Variance of log y at the target once `extra` is measured, by the whole information matrix."""
    x = np.concatenate([law.curve.x, extra])
    sd = np.concatenate([law.noise, np.full(len(extra), noise)])
    return bnsl.predictability(dict(law.params), x, sd).prediction_sd(target) ** 2


def test_one_run_is_the_one_that_brute_force_finds(result):
    x = np.geomspace(100, 1e6, 9)
    found = bnsl.suggest(result, x, TARGET, cost=1)  # the same for all
    noise = float(np.median(result.noise))
    now = variance_with(result, [], TARGET, noise)
    alone = np.array([variance_with(result, [value], TARGET, noise) for value in x])
    assert found.sd_before**2 == pytest.approx(float(now), rel=1e-6)
    assert found.sd_with**2 == pytest.approx(alone, rel=1e-6)
    assert found.chosen.tolist() == [x[np.argmin(alone)]]
    by_cost = bnsl.suggest(result, x, TARGET)
    assert by_cost.chosen.tolist() == [x[np.argmax((now - alone) / x)]]
    assert by_cost.cost.tolist() == x.tolist()


@pytest.mark.parametrize("budget", [3e4, 1e5, 3e5, 1e6])
def test_a_set_under_a_budget_is_nearly_the_best_of_all_sets(result, budget):
    x = np.geomspace(1e3, 3e5, 9)
    found = bnsl.suggest(result, x, TARGET, budget=budget)
    noise = float(np.median(result.noise))
    assert found.total_cost <= budget * (1 + 1e-9)
    assert found.sd_after**2 == pytest.approx(
        float(variance_with(result, found.chosen, TARGET, noise)), rel=1e-6
    )
    best = min(
        float(variance_with(result, list(some), TARGET, noise))
        for size in range(len(x) + 1)
        for some in itertools.combinations(x, size)
        if sum(some) <= budget
    )
    assert found.sd_after**2 <= 1.02 * best


def test_following_it_beats_even_spacing():
    """Simulated: the error at the target after the suggested runs, and after even ones at that cost."""
    form, law, target, noise = bnsl.BNSL(1), dict(NOISELESS_LAW), [4000.0], 1e-3
    x = ADDITION.x[ADDITION.x <= 640]
    y = form.evaluate(law, x) * np.exp(noise * np.random.default_rng(0).standard_normal(len(x)))
    now = bnsl.fit(x, y, n_breaks=1)
    found = bnsl.suggest(now, np.geomspace(100, 1000, 16), target, budget=2000.0)
    even = next(
        runs for count in range(16, 0, -1) if (runs := np.geomspace(100, 1000, count)).sum() <= 2000.0
    )
    errors = {}
    for name, extra in (("suggested", found.chosen), ("even", even)):
        points = np.concatenate([x, extra])
        ready = solved(bnsl.fit(points, form.evaluate(law, points), n_breaks=1))
        rng = np.random.default_rng(5)
        clean = ready.problem.y[: len(points)]
        wide = np.tile(ready.problem.y, (400, 1))
        wide[:, : len(points)] = clean * np.exp(noise * rng.standard_normal((400, len(points))))
        theta = ready.outward(refit(ready, np.tile(ready.theta, (400, 1)), y=wide)[0])
        off = np.log(form.evaluate(theta, target) / form.evaluate(law, target))
        errors[name] = np.sqrt(np.mean(off**2))
    assert errors["suggested"] < 0.5 * errors["even"]


def test_several_targets_count_by_their_mean(result):
    both = bnsl.suggest(result, [1e5], [1e7, 1e8])
    each = [bnsl.suggest(result, [1e5], t).sd_before ** 2 for t in (1e7, 1e8)]
    assert both.sd_before**2 == pytest.approx(np.mean(each))


def test_a_run_at_the_target_tells_all_but_the_noise(result):
    found = bnsl.suggest(result, [TARGET], TARGET, noise=1e-4)
    assert found.sd_after == pytest.approx(1e-4, rel=0.01)


def test_a_candidate_listed_twice_can_be_run_twice(result):
    found = bnsl.suggest(result, [1e6, 1e6], TARGET, count=2, cost=[1.0, 1.0])
    assert found.chosen.tolist() == [1e6, 1e6]
    assert found.sd_after < found.sd_with.min()


def test_planned_measurements():
    x = np.geomspace(1, 1e4, 40)
    plan = bnsl.predictability(LAW, x, 0.01)
    found = bnsl.suggest(plan, [1e5, 1e6], TARGET, count=2)
    more = bnsl.predictability(LAW, np.append(x, [1e5, 1e6]), 0.01)
    assert found.sd_after == pytest.approx(float(more.prediction_sd(TARGET)), rel=1e-6)


def test_of_a_forecast(forecast):
    """The further out, the more a run tells; and the first candidates lie within what is known."""
    x = np.geomspace(200, 2000, 10)
    found = bnsl.suggest(forecast, x, 4000.0, cost=np.ones(10))
    assert found.chosen.tolist() == [pytest.approx(2000.0)]
    assert np.all(found.sd_with <= found.sd_before * (1 + 1e-9))
    seen = found.sd_with[x < 600]
    assert np.all(seen > 0.9 * found.sd_before)


def test_costs_can_be_a_function(result):
    square = bnsl.suggest(result, CANDIDATES, TARGET, cost=lambda x: x**2)
    assert square.cost == pytest.approx(CANDIDATES**2)


def test_it_reads_well(result):
    found = bnsl.suggest(result, CANDIDATES, TARGET, budget=1e7)
    assert list(found.table) == ["x", "cost", "sd_with", "reduction", "reduction_per_cost", "chosen"]
    assert found.table["reduction_per_cost"].is_monotonic_decreasing
    assert sorted(found.table["chosen"])[-1] == len(found.order)
    assert found.summary().startswith("next     x = ")
    assert "<table" in found._repr_html_()
    assert "Suggestion" in repr(found)
    nothing = bnsl.suggest(result, CANDIDATES, TARGET, budget=1.0)
    assert nothing.order == ()
    assert nothing.sd_after == nothing.sd_before
    assert "no run is within the budget" in nothing.summary()


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (([-1.0], TARGET), {}, "candidates"),
        (([1.0], -TARGET), {}, "target.* is not positive"),
        (([1.0], "far"), {}, "target.*'far' is not a number"),
        (([1.0], []), {}, "target is empty"),
        (([1.0], TARGET), {"cost": [1.0, 2.0]}, "cost has 2"),
        (([1.0], TARGET), {"cost": [0.0]}, "cost"),
        (([1.0], TARGET), {"budget": -1.0}, "budget"),
        (([1.0], TARGET), {"count": 0}, "count"),
    ],
)
def test_bad_input(result, arguments, options, match):
    with pytest.raises(bnsl.InputError, match=match):
        bnsl.suggest(result, *arguments, **options)


def test_laws_that_say_nothing(result):
    with pytest.raises(bnsl.InputError, match="must be a FitResult"):
        bnsl.suggest({"a": 1}, [1.0], TARGET)
    unknown = bnsl.fit(*(v[:6] for v in noisy()), n_breaks=1)
    with pytest.raises(bnsl.InputError, match="not known"):
        bnsl.suggest(unknown, [1.0], TARGET)


# --- the shell ------------------------------------------------------------------------------------


def test_shell(capsys, tmp_path):
    words = ["suggest", "four_digit_addition", "--train-until", "736", "--target", "4000"]
    assert cli.main([*words, "--n-breaks", "1", "--budget", "3000", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["bnsl"] == "suggestion"
    assert record["cost"] <= 3000
    assert record["sd_after"] < record["sd_before"]
    fitted = bnsl.fit(ADDITION.split(train_until=736)[0], n_breaks=1)
    x = [row["x"] for row in record["candidates"]]
    assert sorted(bnsl.suggest(fitted, x, 4000.0, budget=3000.0).chosen) == pytest.approx(
        sorted(record["chosen"])
    )


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "--target X is missing"),
        (["--target", "300"], "lies within the data"),
        (["--target", "4000", "--candidates", "800,x"], "is not a number"),
        (["--target", "4000", "--budget", "0"], "--budget"),
    ],
)
def test_shell_says_what_is_wrong(words, match, capsys):
    assert cli.main(["suggest", "four_digit_addition", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert match in error
