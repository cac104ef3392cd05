"""FitResult: what it says of a fit, that it says it exactly, and JSON there and back."""

import dataclasses
import json
import re
import warnings
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from samples import LAW, noisy

import bnsl

# --- JSON -----------------------------------------------------------------------------------------


def fits():
    x, y = noisy(count=14)
    yield "plain", bnsl.fit(x, y)
    yield "undetermined", bnsl.fit(x[:3], y[:3], n_breaks=3)
    yield "exact", bnsl.fit(x[:6], y[:6], n_breaks=1)
    yield "m4", bnsl.fit(x, y, form="m4")
    yield "options", bnsl.fit(x, y, robust="huber", loss="log1p", sigma=0.01 * y, fixed={"a": 0.1})
    yield "rising", bnsl.fit(x, 3.0 - y, n_breaks=0)


FITS = dict(fits())
TEXT = FITS["plain"].to_json()


@pytest.mark.parametrize("name", FITS)
def test_json_round_trip_is_exact(name):
    result = FITS[name]
    text = result.to_json()
    back = bnsl.FitResult.from_json(text)
    assert back.to_json() == text
    for field in dataclasses.fields(result):
        old, new = getattr(result, field.name), getattr(back, field.name)
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(new, old)
        elif isinstance(old, bnsl.Curve):
            np.testing.assert_array_equal((new.x, new.y), (old.x, old.y))
            assert (new.name, new.x_label, new.y_label) == (old.name, old.x_label, old.y_label)
        elif old != old:  # NaN
            assert new != new
        else:
            assert new == old
    x = np.geomspace(1, result.curve.x.max(), 16)
    np.testing.assert_array_equal(back.predict(x), result.predict(x))
    np.testing.assert_array_equal(back.interval(x), result.interval(x))
    assert back.summary() == result.summary()


def test_json_is_strict_and_holds_nan_and_infinity():
    odd = dataclasses.replace(
        FITS["plain"], residual_scale=np.nan, covariance_root=np.diag([np.inf, -np.inf, np.nan, 1, 2, 3])
    )

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    json.loads(odd.to_json(), parse_constant=refuse)
    back = bnsl.FitResult.from_json(odd.to_json())
    np.testing.assert_array_equal(back.covariance_root, odd.covariance_root)
    np.testing.assert_array_equal(np.diag(back.covariance), [np.nan] * 3 + [1, 4, 9])
    assert np.isnan(back.residual_scale)


def test_names_survive_json_whatever_they_are():
    curve = dataclasses.replace(FITS["plain"].curve, name='"λ" <b>\n\\ 😀 float:nan', x_label="float:inf")
    odd = dataclasses.replace(FITS["plain"], curve=curve)
    back = bnsl.FitResult.from_json(odd.to_json()).curve
    assert (back.name, back.x_label) == (curve.name, curve.x_label)


DAMAGE = {
    "nothing": "",
    "not json": "{",
    "no object": "[1, 2]",
    "another object": "{}",
    "deep": "[" * 100_000,
    "huge number": TEXT.replace('"robust_scale": null', '"robust_scale": ' + "9" * 5000),
    "truncated": TEXT[:-20],
    "later version": TEXT.replace('"version": 1', '"version": 2'),
    "other kind": TEXT.replace('"bnsl": "fit"', '"bnsl": "table"'),
}


def damaged(path, value):
    """The JSON of a good fit with the entry at `path` replaced, or removed if `value` is Ellipsis."""
    record = json.loads(TEXT)
    *parents, last = path.split(".")
    place = record
    for name in parents:
        place = place[name]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(record)


ENTRIES = [*json.loads(TEXT), *(f"curve.{name}" for name in json.loads(TEXT)["curve"])]
UNUSED = {"params", "status_text", "rmsle", "rmse"}  # for people; reading takes them from the coordinates
DAMAGE |= {f"no {path}": damaged(path, ...) for path in ENTRIES if path not in UNUSED | {"robust_scale"}}
DAMAGE |= {
    f"{path} {value!r:.20}": damaged(path, value)
    for path, values in {
        "form": [
            *("bnsl", None, 3, {"form": "m9"}, {"form": "m1"}, {"form": "bnsl", "n_breaks": 10**9}),
            *({"form": "bnsl", "n_breaks": 2}, {"form": "bnsl", "zz": 1}, {"form": ["bnsl"]}),
        ],
        "theta": [[], [1.0], None, "abc", [["a"] * 6], [1, 2, 3, 4, 5, "x"], [1, 2, 3, 4, 5, "float:nan"]],
        "covariance_root": [[], None, [[1.0]], "abc", [[1, 2], [3]], [["x"] * 6] * 6],
        "curve": [None, [], "curve", {}],
        "curve.x": [None, [1.0], [-1.0] * 14, ["a"] * 14, "abc", [[1.0]] * 14, [10**400] * 14],
        "curve.y": [None, ["float:nan"] * 14, [1.0], {"a": 1}],
        "curve.sigma": [[1.0], [-1.0] * 14, "abc"],
        "curve.name": [None, 3, ["a"]],
        "curve.x_label": [3, {}],
        "loss": ["l2", None, ["log"], 1],
        "robust": ["hub", 1, ["huber"]],
        "fixed": [["zz"], None, 3, "a", [["a"]], [None]],
        "undetermined": [["zz"], None, 3, "a"],
        "status": ["GOOD", None, ["CONVERGED"], 1],
        "warnings": [["x"], None, 3, [["a"]], [["a", "b", "c"]], [3]],
        "residual_scale": [None, "wide", [1.0], -1.0, 10**400],
    }.items()
    for value in values
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_json_is_an_input_error(name):
    with pytest.raises(bnsl.InputError, match="text") as caught:
        bnsl.FitResult.from_json(DAMAGE[name])
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("scale", ["wide", [1.0], {}, None, -1.0])
def test_damaged_robust_scale(scale):
    record = json.loads(FITS["options"].to_json()) | {"robust_scale": scale}
    with pytest.raises(bnsl.InputError, match="text is a damaged"):
        bnsl.FitResult.from_json(json.dumps(record))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (damaged("theta", ...), "text is a damaged bnsl fit: the entry 'theta' is missing"),
        (damaged("curve.x", ...), "text is a damaged bnsl fit: the entry 'curve.x' is missing"),
        (damaged("status", "GOOD"), "'GOOD' is none of ('CONVERGED', "),
        (damaged("form", {"form": "dip"}), "form 'dip', which is none of m1, m2, m3, m4, bnsl, "),
        (
            "saved/fit.json",
            "'saved/fit.json' is the name of a file; pass what is in it: FitResult.from_json(",
        ),
        (Path("fit.txt"), "'fit.txt' is the name of a file; pass what is in it"),
    ],
)
def test_what_is_wrong_with_saved_json_is_a_sentence(text, message):
    with pytest.raises(bnsl.InputError, match=re.escape(message)) as caught:
        bnsl.FitResult.from_json(text)
    assert "Error" not in str(caught.value)


def test_saved_json_of_another_form_than_given():
    with pytest.raises(bnsl.InputError, match="form = 'm1' is not the form 'bnsl' that was fitted"):
        bnsl.FitResult.from_json(TEXT, form=bnsl.M1())


@pytest.mark.parametrize("text", [None, 3, {"bnsl": "fit"}])
def test_json_that_is_no_text(text):
    with pytest.raises(bnsl.InputError, match="text is not valid JSON"):
        bnsl.FitResult.from_json(text)


def read_or_refuse(text):
    """Reading gives an InputError, or a result that can be looked at and saved again."""
    try:
        result = bnsl.FitResult.from_json(text)
    except bnsl.InputError:
        return
    assert bnsl.FitResult.from_json(result.to_json()).to_json() == result.to_json()
    assert isinstance(result.curve, bnsl.Curve)
    assert result.loss in ("log", "log1p", "linear")


@settings(max_examples=300)
@given(cut=st.integers(0, len(TEXT)), length=st.integers(0, 40), put=st.text(max_size=12))
def test_fuzz_of_json_text(cut, length, put):
    read_or_refuse(TEXT[:cut] + put + TEXT[cut + length :])
    read_or_refuse(TEXT[:cut])


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


@settings(max_examples=200)
@given(path=st.sampled_from(ENTRIES), value=VALUES)
def test_fuzz_of_json_entries(path, value):
    read_or_refuse(damaged(path, value))


# --- text -----------------------------------------------------------------------------------------


def test_summary_says_what_there_is(fitted):
    text = fitted.summary()
    assert text.startswith("bnsl, 1 break fitted to a curve")
    assert fitted.status.value in text
    assert f"{fitted.rmsle:.6g}" in text
    assert "points   30, x from 1 to 1e+06" in text
    for name, value in fitted.params.items():
        assert re.search(
            rf"^{name} +{re.escape(f'{value:.7g}')} +{re.escape(f'{fitted.stderr[name]:.3g}')}$", text, re.M
        )
    odd = FITS["options"].summary()
    assert re.search(r"^a +0\.1 +fixed$", odd, re.MULTILINE)
    assert "log1p, robust huber at scale" in odd
    assert re.search(r"^a +\S+ +unknown$", FITS["undetermined"].summary(), re.MULTILINE)
    assert "more_parameters_than_points" in FITS["undetermined"].summary()


def test_html_escapes_every_name():
    curve = dataclasses.replace(
        FITS["plain"].curve, name="<script>alert(1)</script>", x_label="<i>x</i>", y_label="<u>y</u>"
    )
    note = bnsl.FitWarning("<b>code</b>", "<img src=x>")
    page = dataclasses.replace(FITS["plain"], curve=curve, warnings=(note,))._repr_html_()
    for tag in ("<script", "<i>", "<u>", "<b>code", "<img"):
        assert tag not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "&lt;img src=x&gt;" in page


def test_repr_is_one_line(fitted):
    assert repr(fitted).startswith("<FitResult bnsl, 1 break: a=")
    assert "converged" in repr(fitted)
    assert "\n" not in repr(fitted)


# --- read-only ------------------------------------------------------------------------------------


def test_a_result_is_read_only(fitted):
    with pytest.raises(dataclasses.FrozenInstanceError):
        fitted.loss = "linear"
    with pytest.raises(TypeError):
        fitted.params["a"] = 1.0
    with pytest.raises(TypeError):
        fitted.stderr["a"] = 1.0
    for array in (fitted.theta, fitted.covariance, fitted.curve.x, fitted.curve.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_params_are_plain_floats_in_the_papers_order(fitted):
    assert list(fitted.params) == ["a", "b", "c0", "c1", "d1", "f1"]
    assert all(type(value) is float for value in fitted.params.values())
    assert fitted.n_breaks == 1
    assert fitted.n_params == 6
    assert FITS["m4"].n_breaks == 0


# --- statistics -----------------------------------------------------------------------------------


def test_rmsle_and_aicc_are_their_formulas(fitted):
    squares = (np.log(fitted.predict(fitted.curve.x)) - np.log(fitted.curve.y)) ** 2
    assert fitted.rmsle == pytest.approx(np.sqrt(squares.mean()), rel=1e-12)
    n, k = 30, 7  # six parameters and the noise
    aicc = n * np.log(squares.sum() / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    assert fitted.aicc == pytest.approx(aicc, rel=1e-12)
    assert fitted.residual_scale == pytest.approx(np.sqrt(squares.sum() / (n - 6)), rel=1e-9)
    assert FITS["exact"].aicc == np.inf
    np.testing.assert_allclose(fitted.residuals**2, squares, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-290, 1e-200, 1e-158, 1e150, 1e290])
@pytest.mark.parametrize("options", [{"n_breaks": 0}, {"form": "m2"}, {"n_breaks": 0, "loss": "linear"}])
def test_errors_and_intervals_do_not_underflow_or_overflow_in_any_unit(unit, options):
    x, y = noisy(count=14)
    plain, moved = bnsl.fit(x, y, **options), bnsl.fit(x, y * unit, **options)
    for name, scale in [("a" if "n_breaks" in options else "e", unit), ("b", unit), ("c", 1), ("c0", 1)]:
        if name in plain.stderr:
            assert moved.stderr[name] == pytest.approx(scale * plain.stderr[name], rel=1e-6, abs=0.0)
    np.testing.assert_allclose(np.array(moved.interval(AT)) / unit, plain.interval(AT), rtol=1e-7)
    assert moved.rmse == pytest.approx(unit * plain.rmse, rel=1e-6)
    assert not (np.diag(moved.covariance) == 0).any()
    assert not moved.covariance.flags.writeable


def test_what_is_no_double_in_the_users_units_is_told():
    x, y = noisy(count=14)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = bnsl.fit(1e290 * x, 1e300 * y, form="m2", fixed={"c": 0.1})
        huge = bnsl.fit(1e290 * x, 1e300 * y, n_breaks=0)
    assert np.isfinite(result.interval(1e295)).all()
    assert huge.params["b"] == np.inf
    assert np.isnan(huge.stderr["b"])
    (note,) = (warning for warning in huge.warnings if warning.code == "out_of_range")
    assert note.message.startswith("b: beyond the range of a double in these units")


def test_infinite_predictions_are_quiet():
    law = dataclasses.replace(FITS["m4"], form=bnsl.M1(), theta=[700.0, -50.0], covariance_root=np.eye(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert law.rmsle == np.inf
        assert law.rmse == np.inf
        assert law.aicc == np.inf
        assert "rmsle    inf" in law.summary()


def test_where_there_is_no_rmsle_there_is_an_rmse_in_the_units_of_y():
    x, y = noisy(count=14)
    plain = FITS["plain"]
    assert plain.rmse == pytest.approx(np.sqrt(np.mean((plain.fitted - plain.curve.y) ** 2)), rel=1e-12)
    shifted = bnsl.fit(x, y - 1.0, loss="linear", n_breaks=0)
    assert np.isnan(shifted.rmsle)
    assert f"rmse     {shifted.rmse:.6g} (in the units of y) on the fitted points" in shifted.summary()
    assert f"rmse={shifted.rmse:.4g}" in repr(shifted)
    for text in (shifted.summary(), repr(shifted), shifted._repr_html_()):
        assert "nan" not in text


SIMULATED, NOISE = 200, 0.003
AT = np.array([3.0, 1e3, 1e5, 5e6])  # inside the data, at the break, and beyond


@pytest.fixture(scope="module")
def simulated():
    """Fits of 200 curves made from one law, 30 points with 0.3 % noise each."""
    return [bnsl.fit(*noisy(seed=seed, noise=NOISE), n_breaks=1) for seed in range(SIMULATED)]


def test_standard_errors_are_the_scatter_of_fits(simulated):
    theta = np.array([result.theta for result in simulated])
    claimed = np.sqrt(np.median([np.diag(result.covariance) for result in simulated], axis=0))
    # The standard deviation of 200 normal numbers is known to 5 %; three of those, and some curvature.
    np.testing.assert_allclose(claimed / theta.std(axis=0), 1.0, atol=0.2)
    named = np.median([result.stderr["d1"] for result in simulated])
    assert named == pytest.approx(np.std([result.params["d1"] for result in simulated]), rel=0.2)
    truth = bnsl.BNSL(1).from_params(LAW)
    assert (np.abs(theta.mean(axis=0) - truth) < 4 * claimed / np.sqrt(SIMULATED) + 0.2 * claimed).all()


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_a_new_measurement_as_often_as_they_say(simulated, level):
    rng = np.random.default_rng(1)
    truth = bnsl.BNSL(1).evaluate(LAW, AT)
    inside = np.zeros(len(AT))
    for result in simulated:
        new = truth * np.exp(NOISE * rng.standard_normal(len(AT)))
        lower, upper = result.interval(AT, level=level)
        inside += (lower <= new) & (new <= upper)
    # Four standard deviations of a binomial share of 200.
    np.testing.assert_allclose(inside / SIMULATED, level, atol=4 * np.sqrt(level * (1 - level) / SIMULATED))


def test_an_interval_widens_with_its_level_and_with_distance(fitted):
    narrow, wide = (np.ptp(fitted.interval(AT, level=level), axis=0) for level in (0.5, 0.99))
    assert (wide > narrow).all()
    lower, upper = fitted.interval(AT.reshape(2, 2))
    assert lower.shape == upper.shape == (2, 2)
    middle = fitted.predict(AT.reshape(2, 2))
    assert ((lower < middle) & (middle < upper)).all()


def test_intervals_are_in_the_users_units_for_every_loss():
    x, y = noisy()
    for loss in ("linear", "log1p", "log"):
        small = bnsl.fit(x, y, loss=loss).interval(AT)
        assert ((small[1] - small[0]) / bnsl.BNSL(1).evaluate(LAW, AT) < 1).all()
        if loss != "log1p":  # which is not free of units
            big = bnsl.fit(x, 1e3 * y, loss=loss).interval(AT)
            np.testing.assert_allclose(big, 1e3 * np.array(small), rtol=1e-6)


def test_breaks_table():
    x = np.geomspace(1, 1e6, 30)
    law = {"a": 0.0, "b": 1.0, "c0": 0.1, "c1": 0.5, "d1": 1e2, "f1": 0.2}
    law |= {"c2": -0.4, "d2": 1e4, "f2": 0.1}
    result = bnsl.fit(x, bnsl.BNSL(2).evaluate(law, x), n_breaks=2, fixed={"a": 0.0})
    expected = pd.DataFrame(
        {
            "position": [1e2, 1e4],
            "slope_before": [-0.1, -0.6],
            "slope_after": [-0.6, -0.2],
            "sharpness": [5.0, 10.0],
            "width_decades": 2 * np.array([0.2, 0.1]) * np.log10(19.0),
            "inside_data": [True, True],
        },
        index=pd.RangeIndex(1, 3, name="break"),
    )
    pd.testing.assert_frame_equal(result.breaks, expected, rtol=1e-6)
    assert [segment.slope for segment in result.segments] == pytest.approx([-0.1, -0.6, -0.2], rel=1e-6)
    assert FITS["m4"].breaks.empty
    with pytest.raises(bnsl.InputError, match="'m4' is not a chain of power laws"):
        _ = FITS["m4"].segments


def test_width_in_decades_is_where_nine_tenths_of_the_turn_happen():
    law = {"a": 0.0, "b": 1.0, "c0": 0.1, "c1": 0.5, "d1": 1e3, "f1": 0.2}
    half = 10 ** (0.5 * 2 * 0.2 * np.log10(19.0))
    slopes = bnsl.BNSL(1).slope(law, [1e3 / half, 1e3 * half])
    np.testing.assert_allclose((-slopes - 0.1) / 0.5, [0.05, 0.95], rtol=1e-12)


def test_numbers_that_mean_nothing_are_words_in_a_summary_and_numbers_in_json():
    result = bnsl.fit(*noisy(), n_breaks=1)
    theta = np.array(result.theta)
    theta[4], theta[5] = np.log(1e-30), np.log(1e57)
    root = np.array(result.covariance_root)
    root[5] *= 1e30
    odd = dataclasses.replace(result, theta=theta, covariance_root=root)
    text = odd.summary()
    assert "very gradual" in text
    assert "far before" in text
    assert "e+57" not in text.split("warnings")[0]
    assert json.loads(odd.to_json())["params"]["f1"] == pytest.approx(1e57)
    wide = dataclasses.replace(result, covariance_root=root)
    assert wide.shown_error("f1") == "unbounded"
    assert "unbounded" in wide.summary()
    assert result.shown_value("d1") == f"{result.params['d1']:.7g}"
