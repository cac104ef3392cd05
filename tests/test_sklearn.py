"""The estimator of scikit-learn: its contract, pipelines and searches."""

import math
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from samples import noisy
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator

import bnsl
from bnsl import InputError
from bnsl.sklearn import BNSLRegressor

EXPECTED_TO_FAIL = {
    "check_positive_only_tag_during_fit": "of the features that it moves below zero, the one that is x stays "
    "positive; test_inputs_that_cannot_be_fitted has one that does not",
}
NOT_FOR_IT = {
    "check_array_api_input"
}  # needs SCIPY_ARRAY_API in the environment, and estimators that know it


def checks():
    # x counts from 0 in these checks, and X has up to ten features, of which a law sees one.
    estimator = BNSLRegressor("m1", offset=1.0, feature=0)
    for case, check in estimator_checks_generator(estimator):
        name = getattr(check, "func", check).__name__
        if name not in NOT_FOR_IT:
            reason = EXPECTED_TO_FAIL.get(name)
            marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True)]
            yield pytest.param(case, check, id=name, marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learn_is_content(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def curve():
    return noisy(count=40)


def test_it_is_bnsl_fit(curve):
    x, y = curve
    model = BNSLRegressor(n_breaks=1).fit(x[:, None], y)
    direct = bnsl.fit(x, y, n_breaks=1)
    assert dict(model.result_.params) == dict(direct.params)
    assert (model.n_features_in_, model.feature_) == (1, 0)
    np.testing.assert_array_equal(model.predict(x[:, None]), direct.predict(x))
    for ours, theirs in zip(model.interval(x[:, None], 0.5), direct.interval(x, 0.5), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert model.score(x[:, None], y) > 0.99
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x[:, None]), model.predict(x[:, None]))


def test_options_reach_the_fit(curve):
    x, y = curve
    options = {
        "n_breaks": 1,
        "loss": "log1p",
        "robust": "huber",
        "fixed": {"a": 0.3},
        "bounds": {"c0": (0, 1)},
    }
    found = BNSLRegressor(**options).fit(x[:, None], y).result_
    assert dict(found.params) == dict(bnsl.fit(x, y, **options).params)
    assert (found.loss, found.robust, found.params["a"]) == ("log1p", "huber", 0.3)


def test_the_standard_deviation_is_that_of_a_new_measurement(curve):
    x, y = curve
    model = BNSLRegressor(n_breaks=1).fit(x[:, None], y)
    mean, deviation = model.predict(x[:, None], return_std=True)
    np.testing.assert_array_equal(mean, model.predict(x[:, None]))
    assert 1.0 < np.median(deviation / mean) / model.result_.residual_scale < 1.3  # the noise, and the law's
    far = np.array([[5.0 * x[-1]]])
    # 3.92 of a normal distribution; forecasts, which allow for surprises, have heavier tails.
    for law, most in ((model, 5.0), (BNSLRegressor("forecast").fit(x[:, None], y), np.inf)):
        mean, deviation = law.predict(far, return_std=True)
        lower, upper = law.interval(far, math.erf(math.sqrt(0.5)))
        np.testing.assert_allclose(2.0 * deviation, upper - lower, rtol=1e-12)
        lower, upper = law.interval(far, 0.95)
        assert 3.5 < (upper - lower) / deviation < most


def test_weights_are_those_of_squared_residuals(curve):
    x, y = curve
    times = np.where(np.arange(len(x)) % 3 == 0, 2, 1)
    times[[4, 5]] = 0
    for loss in ("log", "linear"):
        law = BNSLRegressor("m2", loss=loss)
        weighted = clone(law).fit(x[:, None], y, sample_weight=times).predict(x[:, None])
        repeated = clone(law).fit(np.repeat(x, times)[:, None], np.repeat(y, times)).predict(x[:, None])
        np.testing.assert_allclose(weighted, repeated, rtol=1e-6)
        assert np.abs(law.fit(x[:, None], y).predict(x[:, None]) / weighted - 1).max() > 1e-4


def test_in_a_pipeline_with_an_accuracy(curve):
    x, y = curve
    error = y / 5
    model = make_pipeline(
        FunctionTransformer(lambda steps: steps * 512.0),  # tokens
        TransformedTargetRegressor(
            BNSLRegressor(n_breaks=1), func=lambda a: 1 - a, inverse_func=lambda e: 1 - e, check_inverse=False
        ),
    )
    model.fit(x[:, None], 1 - error)
    found = model[-1].regressor_.result_
    np.testing.assert_allclose(
        found.params["d1"], 512 * bnsl.fit(x, error, n_breaks=1).params["d1"], rtol=1e-4
    )
    np.testing.assert_allclose(model.predict(x[:, None]), 1 - error, atol=0.02)


def test_a_search_over_forms_by_what_lies_beyond(curve):
    x, y = curve
    table = pd.DataFrame({"model": 0.0, "tokens": x})
    search = GridSearchCV(
        BNSLRegressor(feature="tokens"),
        [{"form": ["m1", "m2", "forecast"]}, {"n_breaks": [1]}],
        cv=TimeSeriesSplit(3, test_size=4),
        scoring="neg_mean_squared_log_error",
    )
    search.fit(table, y)
    scores = pd.Series(search.cv_results_["mean_test_score"], ["m1", "m2", "forecast", "bnsl"])
    assert scores.idxmax() in ("bnsl", "forecast")
    assert scores["m1"] == pytest.approx(scores["m2"], rel=1e-6)  # m2 ends at a limit of 0, and then is m1
    assert scores["m2"] < scores["bnsl"]
    assert search.best_estimator_.result_.curve.x.tolist() == x.tolist()
    by_hand = cross_val_score(
        clone(search.best_estimator_), table, y, cv=TimeSeriesSplit(3, test_size=4), scoring=search.scoring
    )
    np.testing.assert_allclose(by_hand.mean(), search.best_score_)


def test_inputs_that_cannot_be_fitted():
    x = np.array([[1.0], [2.0], [4.0], [8.0]])
    y = np.array([4.0, 3.0, 2.0, 1.5])
    for options, rows, message in [
        ({}, x - 3, "Negative values in data passed to BNSLRegressor"),
        ({}, x - 1, r"X\[0\] = 0 is not positive; drop it, or add an offset"),
        ({}, np.hstack([x, x]), "X has 2 features, and a law takes one; choose it"),
        ({"feature": 1}, x, "feature = 1 is beyond the 1 columns of X"),
        ({"feature": "tokens"}, x, "feature = 'tokens' is no column of X; X has no names of columns"),
        ({"feature": "t"}, pd.DataFrame(x, columns=["x"]), "feature = 't' is no column of X; they are 'x'"),
        ({"offset": "1"}, x[:, 0], "Expected 2D array, got 1D array"),
        ({"form": "forecast", "n_breaks": 1}, x, "n_breaks goes with a form; form='forecast' takes none"),
        ({"form": "m5"}, x, "form = 'm5' is unknown"),
        ({}, x[:2], "minimum of 3 is required"),
    ]:
        with pytest.raises(ValueError, match=message):
            BNSLRegressor(**options).fit(rows, y[: len(rows)])
    with pytest.raises(InputError, match=r"y\[3\] = -1 is not positive"):
        BNSLRegressor().fit(x, [4.0, 3.0, 2.0, -1.0])


@pytest.mark.parametrize(
    ("package", "module", "extra"), [("sklearn", "bnsl.sklearn", "sklearn"), ("lmfit", "bnsl.lmfit", "lmfit")]
)
def test_without_the_package_it_says_what_to_install(package, module, extra):
    code = f"import sys; sys.modules[{package!r}] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'broken-neural-scaling-laws[{extra}]'" in done.stderr
