"""forecast: what it promises of every curve, and how good it is on synthetic ones."""

import pickle
import threading

import numpy as np
import pytest

import bnsl
from bnsl.forecasting import forecast as forecasting
from bnsl.forecasting.average import mixtures
from bnsl.forecasting.forecast import shown_breaks

RNG = np.random.default_rng(5)


def broken(count=24, noise=0.004, seed=0, last=1e4):
    """A law with one soft break: x, y and the law itself."""
    x = np.geomspace(1, last, count)
    law = {"a": 0.3, "b": 2.0, "c0": 0.05, "c1": 0.5, "d1": 60.0, "f1": 0.4}
    rng = np.random.default_rng(seed)

    def truth(z):
        return bnsl.BNSL(1).evaluate(law, z)

    return x, truth(x) * np.exp(noise * rng.normal(size=count)), truth


@pytest.fixture(scope="module")
def made():
    x, y, _ = broken()
    return bnsl.forecast(x, y)


def test_the_law_is_continued():
    x, y, truth = broken()
    ahead = x[-1] * np.array([1.2, 1.5, 2.0])
    assert np.abs(np.log(bnsl.forecast(x, y).predict(ahead) / truth(ahead))).max() < 0.03


def test_a_sharp_break_that_the_data_show_is_continued():
    fitted, held_out = bnsl.load_dataset("four_digit_addition").split(train_count=14)
    forecast = bnsl.forecast(fitted)
    assert np.sqrt(np.mean(np.log(forecast.predict(held_out.x) / held_out.y) ** 2)) < 0.012
    low, high = forecast.interval(held_out.x)
    assert ((low < held_out.y) & (held_out.y < high)).all()
    assert forecast.laws.index[0] == "1 break, refined"
    assert forecast.laws["breaks"].iloc[0][0] == pytest.approx(612.8, rel=1e-3)


@pytest.mark.filterwarnings("ignore:far_extrapolation")
def test_noiseless_data_are_continued_almost_exactly():
    curve = bnsl.load_dataset("noiseless_simulation")
    fitted, held_out = curve.split(train_until=405)
    predicted = bnsl.forecast(fitted).predict(held_out.x)
    assert np.sqrt(np.mean(np.log(predicted / held_out.y) ** 2)) < 1e-6


def test_shapes_and_units(made):
    grid = np.array([[1e4, 2e4, 3e4], [4e4, 5e4, 6e4]])
    assert made.predict(grid).shape == (2, 3)
    assert made.predict(2e4).shape == ()
    assert made.sample(grid, 7).shape == (7, 2, 3)
    assert [end.shape for end in made.interval(grid)] == [(2, 3), (2, 3)]
    assert made.predict([]).shape == (0,)


@pytest.mark.parametrize(("s", "t"), [(1e-9, 1e6), (1e24, 1e-6), (3.0, 0.1)])
def test_units_do_not_matter(s, t):
    x, y, _ = broken()
    ahead = x[-1] * np.array([1.1, 2.0, 5.0])
    here, there = bnsl.forecast(x, y), bnsl.forecast(s * x, t * y)
    np.testing.assert_allclose(there.predict(s * ahead), t * here.predict(ahead), rtol=1e-6)
    np.testing.assert_allclose(there.interval(s * ahead), t * np.array(here.interval(ahead)), rtol=1e-5)


def test_order_does_not_matter_and_repetition_has_the_same_bits():
    x, y, _ = broken()
    order = np.random.default_rng(1).permutation(len(x))
    ahead = 2.0 * x[-1]
    first = bnsl.forecast(x, y).predict(ahead)
    assert bnsl.forecast(x[order], y[order]).predict(ahead) == first
    assert bnsl.forecast(x, y).predict(ahead) == first


def test_a_chunk_more_changes_nothing(made):
    many = np.geomspace(1e4, 5e4, 150)
    np.testing.assert_allclose(made.predict(many)[::37], made.predict(many[::37]), rtol=1e-12)


def test_the_distribution_at_some_x_is_made_once_for_all_that_is_asked_there(made, monkeypatch):
    asked = []
    monkeypatch.setattr(forecasting, "mixtures", lambda *given: asked.append(given) or mixtures(*given))
    x = made.curve.x[-1] * np.array([1.1, 3.0])
    first = made.predict(x), made.interval(x), made.sample(x, 5)
    assert len(asked) == 1
    made.predict(2.0 * x)
    assert len(asked) == 2
    again = made.predict(x), made.interval(x), made.sample(x, 5)
    assert all((a == b).all() for a, b in zip(map(np.array, first), map(np.array, again), strict=True))


def test_weights_add_up_and_say_what_was_averaged(made):
    laws = made.laws
    assert laws["weight"].sum() == pytest.approx(1.0)
    assert laws["weight"].is_monotonic_decreasing
    assert {"smooth", "0 breaks", "1 break", "2 breaks", "3 breaks", "1 break, refined"} <= set(laws.index)
    assert (laws["limit"] >= 0).all()


def test_quantiles_and_probabilities_are_inverse(made):
    x = np.array([1.5e4, 4e4])
    for p in (0.01, 0.3, 0.5, 0.9):
        np.testing.assert_allclose(made.probability_below(x, made.quantile(x, p)), p, atol=1e-6)
    low, high = made.interval(x, 0.8)
    np.testing.assert_allclose(low, made.quantile(x, 0.1), rtol=1e-9)
    np.testing.assert_allclose(high, made.quantile(x, 0.9), rtol=1e-9)
    assert (low < made.predict(x)).all()
    assert (made.predict(x) < high).all()


def test_intervals_widen_with_level_and_distance(made):
    x = made.curve.x[-1] * np.array([1.0, 2.0, 4.0, 8.0])
    widths = [np.log(high / low) for low, high in (made.interval(x, level) for level in (0.5, 0.9, 0.99))]
    assert (widths[0] < widths[1]).all()
    assert (widths[1] < widths[2]).all()
    assert (np.diff(widths[1]) > 0).all()


def past_the_peak(seed):
    """A double descent seen some way past its peak."""
    x = np.geomspace(30, 12000, 24)
    law = 0.25 + 1.5 * (x / 10) ** -0.35 + 0.6 * np.exp(-0.5 * (np.log(x / 3000) / 0.45) ** 2)
    return bnsl.forecast(x, law * np.exp(0.01 * np.random.default_rng(seed).normal(size=24)))


@pytest.mark.parametrize("seed", range(4))
def test_past_a_peak_it_does_not_climb_again(seed):
    found = past_the_peak(seed)
    assert found.predict(72000) < found.curve.y[-1]


@pytest.mark.parametrize("seed", range(4))
def test_far_predictions_stay_in_the_middle_half(seed):
    found, far = past_the_peak(seed), 12000 * np.array([1.5, 3.0, 6.0, 9.9])
    assert np.all(found.quantile(far, 0.2499) <= found.predict(far))
    assert np.all(found.predict(far) <= found.quantile(far, 0.7501))


def test_the_mean_is_predicted_where_it_lies_in_the_middle_half(made):
    near = np.array([made.curve.x[-1] * 1.3])
    mixture = made._mixtures(near)[0]
    weight, mean = mixture.weight[mixture.central], mixture.mean[mixture.central]
    expected = np.exp(weight @ mean / weight.sum())
    assert made.predict(near)[0] == pytest.approx(float(expected[0]), rel=1e-12)


def test_breaks_beyond_the_data_are_in_brackets():
    curve = bnsl.Curve([1.0, 10.0, 100.0], [3.0, 2.0, 1.0])
    assert shown_breaks((0.5, 20.0, 400.0), curve) == "(0.5), 20, (400)"


def test_samples_follow_the_quantiles(made):
    draws = made.sample(3e4, 20_000, seed=3)
    for p in (0.05, 0.5, 0.95):
        assert np.mean(draws < made.quantile(3e4, p)) == pytest.approx(p, abs=0.01)
    np.testing.assert_array_equal(draws, made.sample(3e4, 20_000, seed=3))


def test_density_is_that_of_the_distribution(made):
    log_y = np.linspace(-3, 1, 4001)
    density = np.exp(made.log_density(np.full(log_y.shape, 3e4), np.exp(log_y)))
    assert np.trapezoid(density, log_y) == pytest.approx(1.0, abs=1e-3)


def test_a_rising_quantity_goes_on_to_its_limit():
    x = np.geomspace(1, 1e4, 30)
    law = {"a": 0.9, "b": -0.6, "c0": 0.3}
    rising = bnsl.BNSL(0, rising=True)
    y = rising.evaluate(law, x) * np.exp(0.002 * RNG.normal(size=30))
    forecast = bnsl.forecast(x, y)
    ahead = np.array([2e4, 5e4])
    np.testing.assert_allclose(forecast.predict(ahead), rising.evaluate(law, ahead), rtol=0.01)
    assert forecast.laws.index[0].startswith("rising")


def test_past_a_valley_the_climb_may_turn_back_and_a_climb_all_along_hardly():
    x = np.geomspace(1, 1e3, 20)
    noise = np.exp(0.01 * np.random.default_rng(8).normal(size=20))
    valley = bnsl.forecast(x, noise * np.where(x < 55, x**-0.3, 55**-0.55 * x**0.25))
    climb = bnsl.forecast(x, noise * 2.0 * x**0.25, scale="log")
    low = [float(forecast.interval(2e3)[0] / forecast.curve.y[-1]) for forecast in (valley, climb)]
    assert low[0] < 0.75
    assert low[1] > 0.85


def test_intervals_cover_on_fresh_synthetic_curves():
    inside, errors = [], []
    for seed in range(20):
        x, y, truth = broken(count=20, noise=0.01, seed=seed, last=3e3)
        rng = np.random.default_rng(1000 + seed)
        ahead = x[-1] * np.array([1.5, 2.0, 3.0])
        later = truth(ahead) * np.exp(0.01 * rng.normal(size=3))
        forecast = bnsl.forecast(x, y)
        low, high = forecast.interval(ahead, 0.9)
        inside.append((low < later) & (later < high))
        errors.append(np.log(forecast.predict(ahead) / later))
    assert np.mean(inside) > 0.8
    assert np.sqrt(np.mean(np.square(errors))) < 0.06


def test_sigma_says_which_points_count():
    x, y, truth = broken(noise=0.0)
    bent = y.copy()
    bent[-3:] *= 1.3
    sigma = 0.001 * y
    sigma[-3:] = 0.5 * y[-3:]
    ahead = 1.5 * x[-1]
    trusting, knowing = bnsl.forecast(x, bent), bnsl.forecast(x, bent, sigma=sigma)
    wrong, right = (abs(np.log(f.predict(ahead) / truth(ahead))) for f in (trusting, knowing))
    assert right < 0.5 * wrong


def test_very_many_points_are_fast_and_fine():
    x = np.geomspace(1, 1e5, 200_000)
    law = {"a": 0.4, "b": 2.0, "c0": 0.2}
    y = bnsl.BNSL(0).evaluate(law, x) * np.exp(0.05 * np.random.default_rng(0).normal(size=len(x)))
    assert bnsl.forecast(x, y).predict(2e5) == pytest.approx(bnsl.BNSL(0).evaluate(law, 2e5), rel=0.01)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2, 3], [3.0, 2.0, 1.5]),
        ([1, 2, 3, 4], [1.0, 1.0, 1.0, 1.0]),
        ([5.0] * 10 + [6.0, 7.0], [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 0.8, 0.5]),
        (np.geomspace(1, 1e3, 20), np.where(np.arange(20) == 7, 1e6, 1.0)),
        (1.0 + 1e-9 * np.arange(10), np.linspace(2, 1, 10)),
        (np.geomspace(1e-12, 1e30, 25), np.geomspace(1e-30, 1e-70, 25)),
    ],
)
def test_odd_curves_get_finite_answers(x, y):
    forecast = bnsl.forecast(x, y)
    ahead = 1.5 * np.max(x)
    assert np.isfinite(forecast.predict(ahead))
    assert forecast.predict(ahead) > 0
    low, high = forecast.interval(ahead)
    assert low < high
    assert np.isfinite(forecast.laws["weight"]).all()
    assert forecast.summary()


def test_few_points_are_said_to_be_few():
    assert [w.code for w in bnsl.forecast([1, 2, 4, 8], [1.0, 0.8, 0.7, 0.65]).warnings] == ["few_points"]
    assert bnsl.forecast(*broken()[:2]).warnings == ()


def test_far_beyond_the_data_warns_once(made):
    for call in (made.predict, made.interval, made.sample):
        with pytest.warns(bnsl.ExtrapolationWarning) as caught:
            call(1e6)
        assert len(caught) == 1
        assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: bnsl.forecast([1, 2, 3], [1.0, 0.0, 1.0], scale="log"), "y[1] = 0 is not positive"),
        (lambda f: bnsl.forecast([1, 2], [1.0, 0.5]), "a fit needs at least three"),
        (lambda f: bnsl.forecast([1, 2, 3], [1.0, 0.5]), "x has 3 rows and y has 2"),
        (lambda f: f.predict([1.0, -1.0]), "x[1] = -1 is not positive"),
        (lambda f: f.interval(1e4, 1.5), "level = 1.5 must lie strictly between 0 and 1"),
        (lambda f: f.quantile(1e4, 0), "p = 0 must lie strictly between 0 and 1"),
        (lambda f: f.sample(1e4, 0), "size = 0 must be a whole number >= 1"),
        (lambda f: f.probability_below([1e4, 2e4], [1.0, 2.0, 3.0]), "y has 3 entries and x has 2"),
        (lambda f: f.log_density(1e4, -1.0), "is not positive"),
    ],
)
def test_bad_input_is_one_clear_error(made, call, message):
    with pytest.raises(bnsl.InputError) as caught:
        call(made)
    assert message in str(caught.value)


def test_forecasts_can_be_pickled(made):
    again = pickle.loads(pickle.dumps(made))
    assert again.predict(2e4) == made.predict(2e4)


def test_text_says_what_matters(made):
    assert "law" in made.summary()
    assert "90 %" in made.summary()
    assert repr(made).startswith("<Forecast of a curve, 24 points: ")
    assert "<table" in made._repr_html_()


def test_the_callers_jax_configuration_is_left_alone():
    import jax
    import jax.numpy as jnp

    bnsl.forecast(*broken()[:2]).predict(2e4)
    assert not jax.config.jax_enable_x64
    assert jnp.ones(2).dtype == jnp.float32


def test_threads_do_not_wait_for_each_other_for_ever():
    curves = [broken(count=20 + 7 * i, seed=i)[:2] for i in range(6)]
    answers: dict[int, float] = {}

    def work(i):
        answers[i] = (float(bnsl.forecast(*curves[i]).predict(2e4)), bnsl.fit(*curves[i]).rmsle)

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert answers[3][0] == float(bnsl.forecast(*curves[3]).predict(2e4))


@pytest.mark.parametrize(("limit", "scale", "slope"), [(20.0, 30.0, 0.5), (7.0, 11.0, 0.4)])
def test_a_law_near_a_limit_that_the_data_know_has_nowhere_to_drift_to(limit, scale, slope):
    x = np.geomspace(100, 1e4, 100)
    forecast = bnsl.forecast(x, limit + scale * x**-slope)
    low, high = forecast.interval(1e5)
    assert limit < low < limit + scale * 1e5**-slope < high < forecast.curve.y[-1]
