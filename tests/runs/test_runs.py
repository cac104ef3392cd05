"""Laws of the loss under a schedule: sums, fits without a guess, other schedules, what is said of them."""

import warnings

import numpy as np
import pytest

import bnsl
from bnsl import InputError, Run, schedules
from bnsl.runs.history import history
from bnsl.runs.laws import LAWS, annealing_sum, noise_sum, power_sum

PEAK, RISE = 1e-3, 100
COSINE = schedules.cosine(PEAK, 4000, RISE)
LEVEL = schedules.constant(PEAK, 4000, RISE)
TWO = schedules.constant(PEAK, 2000, RISE).then(schedules.constant(0.3 * PEAK, 1500))
WSD = schedules.wsd(PEAK, 5000, RISE, 1000, 1e-5, decay="sqrt")
STEP = {s: np.arange(120, s.steps + 1, 60) for s in (COSINE, LEVEL, TWO, WSD)}


def step_by_step(schedule, t, law, given):
    """The sum of a law over every single step, from its equation."""
    rates = schedule.rates()[: t + 1] / PEAK
    falls = np.append(0.0, rates)[:-1] - rates
    k = np.arange(t + 1)
    so_far = np.cumsum(rates)
    reach = so_far[t] - np.append(0.0, so_far)[:-1]  # S_k(t)
    if law is annealing_sum:
        return np.sum(falls * (1 - (1 - 1 / given[0]) ** (t - k + 1)))
    if law is power_sum:
        return np.sum(
            falls * (1 - (1 + given[0] * np.maximum(rates, 1e-9) ** -given[2] * reach) ** -given[1])
        )
    return np.sum(rates**2 * (1 + given[0] * reach) ** -given[1])


@pytest.mark.parametrize(
    ("law", "given", "within"),
    [(annealing_sum, (300.0,), 1e-3), (power_sum, (0.05, 0.6, 0.6), 2e-3), (noise_sum, (0.02, 1.3), 2e-3)],
    ids=["annealing", "multi_power", "functional"],
)
@pytest.mark.parametrize("schedule", [COSINE, TWO, WSD], ids=["cosine", "two", "wsd"])
def test_sums_over_blocks_are_those_over_all_steps(schedule, law, given, within):
    step = STEP[schedule]
    found = law(history(schedule, step, PEAK), *given)
    exact = np.array([step_by_step(schedule, t, law, given) for t in step])
    assert np.abs(found - exact).max() < within * max(np.abs(exact).max(), 1.0)
    singly = law(history(schedule, step[-3:], PEAK, every=True), *given)
    np.testing.assert_allclose(singly, exact[-3:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("law", "given"),
    [(power_sum, (3.0, 0.6, 0.6)), (noise_sum, (4.5, 1.3))],
    ids=["multi_power", "functional"],
)
@pytest.mark.parametrize("schedule", [LEVEL, WSD], ids=["constant", "wsd"])
def test_a_law_that_forgets_within_steps_gives_one_value_a_step(schedule, law, given):
    some = np.array([1440, 3400, schedule.steps])
    alone = [law(history(schedule, np.array([t]), PEAK), *given)[0] for t in some]
    steps = np.arange(200, schedule.steps + 1)
    among = law(history(schedule, steps, PEAK), *given)[some - 200]
    np.testing.assert_allclose(alone, among, rtol=1e-2)


def measured(schedule, noise=0.0, seed=0):
    """Losses under a multi-power law."""
    step = STEP[schedule]
    sums = history(schedule, step, PEAK)
    loss = 2.5 + 12.0 * sums.total**-0.45 - 0.2 * power_sum(sums, 0.02, 0.5, 0.5)
    return Run(schedule, step, loss * (1 + noise * np.random.default_rng(seed).normal(size=len(step))))


@pytest.fixture(scope="module")
def three():
    return [measured(s, 5e-4, i) for i, s in enumerate((COSINE, LEVEL, TWO))]


@pytest.fixture(scope="module")
def average(three):
    return bnsl.fit_runs(three)


def test_a_law_is_found_again_without_a_guess():
    result = bnsl.fit_runs([measured(s) for s in (COSINE, LEVEL, TWO)], law="multi_power")
    fit = result.fits[0]
    assert result.rms < 1e-6
    assert fit.law.values(fit.coordinates) == pytest.approx([0.45, 0.02, 0.5], rel=1e-3)
    assert result.params["A"] == pytest.approx(12.0 * PEAK**0.45, rel=1e-3)
    assert result.params["C"] == pytest.approx(0.02 * PEAK**-0.5, rel=1e-3)
    np.testing.assert_allclose(result.predict(WSD, STEP[WSD]), measured(WSD).loss, rtol=1e-5)


def test_another_schedule_is_predicted_within_the_interval(average):
    truth = measured(WSD)
    predicted = average.predict(WSD, truth.step)
    assert np.mean(np.abs(predicted / truth.loss - 1)) < 2e-3
    low, high = average.interval(WSD, truth.step)
    assert np.mean((low < truth.loss) & (truth.loss < high)) > 0.9
    assert (high - low).max() < 0.05
    assert isinstance(average.predict(WSD), float)
    assert average.predict(WSD, [[5000, 4000]]).shape == (1, 2)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_fits_curves_that_are_not_its_own(three, law):
    result = bnsl.fit_runs(three, law)
    assert result.law == law
    assert result.rms < 3e-3
    assert set(result.undetermined) <= set(result.params)


def test_units_of_the_rate_do_not_matter(three, average):
    factor = 1000.0
    other = bnsl.fit_runs([Run(run.schedule.scaled(factor), run.step, run.loss) for run in three])
    np.testing.assert_allclose(
        other.predict(WSD.scaled(factor), STEP[WSD]), average.predict(WSD, STEP[WSD]), rtol=1e-6
    )


def test_one_cosine_leaves_the_exponents_open():
    result = bnsl.fit_runs(measured(COSINE, 5e-4), "multi_power")
    assert {"C", "beta", "gamma"} <= set(result.undetermined)
    assert "one_schedule" in [code for code, _ in result.warnings]


def test_another_peak_and_a_far_horizon_warn(average):
    with pytest.warns(bnsl.ExtrapolationWarning, match="peak rate 0.002"):
        average.predict(schedules.cosine(2 * PEAK, 4000, RISE))
    with pytest.warns(bnsl.ExtrapolationWarning, match="peak rate"):
        average.interval(schedules.cosine(0.5 * PEAK, 4000, RISE))
    with pytest.warns(bnsl.ExtrapolationWarning, match="step 20000 lies beyond 3 times"):
        average.predict(schedules.cosine(PEAK, 20_000, RISE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        average.predict(WSD)


def test_few_and_long_and_rough_runs_are_fitted():
    some = measured(COSINE, 0.01, 5)
    few = bnsl.fit_runs(Run(COSINE, some.step[::8], some.loss[::8]))
    assert "few_points" in [code for code, _ in few.warnings] or len(some.step[::8]) >= 8
    step = np.arange(101, 4001)
    loss = np.interp(step, some.step, some.loss)
    assert np.isfinite(bnsl.fit_runs(Run(COSINE, step, loss), "annealing").predict(LEVEL))


def test_a_result_goes_to_json_and_back(average):
    again = bnsl.RunsResult.from_json(average.to_json())
    assert again.predict(WSD) == pytest.approx(average.predict(WSD), rel=1e-12)
    assert "multi_power" in average.summary()
    assert "<table>" in average._repr_html_()
    with pytest.raises(InputError, match="damaged bnsl runs"):
        bnsl.RunsResult.from_json(average.to_json().replace('"runs": [', '"none": [', 1))


def test_the_best_schedule_is_stable_then_decays(average):
    best = bnsl.optimise_schedule(average, 4000)
    assert best.steps == 4000
    assert best.peak == pytest.approx(PEAK)
    assert (np.diff(best.rates()[90:]) <= 1e-12).all()
    assert average.predict(best) < min(average.predict(COSINE), average.predict(LEVEL))


CHILD = schedules.cosine(PEAK, 1000, 10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Run(COSINE, [1, 5, 3], [3, 2, 1]), r"step\[2\] = 3 does not ascend"),
        (lambda: Run(COSINE, [1, 5000], [3, 2]), r"step\[1\] = 5000 lies beyond the schedule"),
        (lambda: Run(COSINE, [1, 2], [3, np.nan]), r"loss\[1\] = nan"),
        (lambda: Run(COSINE, [1, 2], [3, 0], name="a"), r"run 'a': loss\[1\] = 0 is not positive"),
        (lambda: Run(COSINE, [1, 2], [3, 2], replay=1.5), r"replay = 1.5 lies outside \[0, 1\]"),
        (lambda: Run(None, [1, 2], [3, 2]), "schedule = None is not a schedule"),
        (
            lambda: Run(CHILD, [3000, 4500], [3, 2], parent=measured(COSINE)),
            "parent ends at step 4000, but the steps of its child go from 3000 to 4500",
        ),
        (lambda: bnsl.fit_runs([]), "runs is empty"),
        (lambda: bnsl.fit_runs(None), "runs = None must be a list of bnsl.Run"),
        (lambda: bnsl.fit_runs([1]), r"runs\[0\] = 1 is not a bnsl.Run"),
        (lambda: bnsl.fit_runs(measured(COSINE), "anealing"), "Did you mean 'annealing'"),
        (lambda: bnsl.fit_runs(Run(COSINE, [200, 300], [3, 2])), "2 points"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_steps_before_the_first_point_are_held_and_their_interval_is_wide(average):
    with pytest.warns(bnsl.ExtrapolationWarning, match="step 0 lies before the first fitted point"):
        early = average.predict(COSINE, [0, 5, 20])
    first = min(run.step[0] for run in average.runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin = average.predict(COSINE, first)
    np.testing.assert_allclose(early, begin, rtol=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        low, high = average.interval(COSINE, [5, first])
    assert high[0] - low[0] > 5 * (high[1] - low[1])
    with pytest.raises(InputError, match="step is empty"):
        average.predict(COSINE, [])


def test_steps_that_count_on_from_the_parent_are_understood():
    parent = measured(COSINE)
    child = Run(CHILD, [4100, 5000], [3.0, 2.0], parent=parent)
    assert child.step.tolist() == [100, 1000]
    assert (child.begins, child.end) == (4000, 5000)
    assert child.whole == COSINE.then(CHILD)
