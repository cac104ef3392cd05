"""Fits of several inputs: published minima, robust losses, groups, and breaks that are chosen."""

import numpy as np
import pandas as pd
import pytest

import bnsl

HUBER = {"robust": "huber", "robust_scale": 1e-3}


@pytest.fixture(scope="module", name="folder")
def _folder(benchmark_folder):
    return benchmark_folder / "inputs"


def table(folder, name):
    path = folder / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"{name}.csv is not at hand; set BNSL_DATA_DIR")
    return pd.read_csv(path)


def test_the_minimum_of_the_240_runs_of_chinchilla(folder):
    frame = table(folder, "chinchilla_epoch_245").sort_values("loss")[:240]
    result = bnsl.fit(frame, inputs=["N", "D"], y="loss", form="chinchilla", **HUBER)
    assert result.cost <= 0.001018275
    found = {"E": 1.81722, "A": 477.826, "B": 2143.42, "alpha": 0.347310, "beta": 0.367172}
    assert dict(result.params) == pytest.approx(found, rel=2e-5)
    # Bootstrap of rows: .025, .0146 and .0200.
    assert result.stderr["E"] == pytest.approx(0.025, rel=0.25)
    assert result.stderr["alpha"] == pytest.approx(0.0146, rel=0.35)


@pytest.mark.parametrize(
    ("name", "until", "cost"),
    [
        ("gemstones_hot_770", 100.1e9, 0.00198161285),
        ("gemstones_hot_770", np.inf, 0.0065925343),
        ("gemstones_cooldown_199", np.inf, 0.0019640865),
    ],
)
def test_minima_of_gemstones(folder, name, until, cost):
    frame = table(folder, name)
    frame = frame[frame["D"] <= until]
    result = bnsl.fit(frame, inputs=["N", "D"], y="loss", form="chinchilla", **HUBER)
    assert result.cost <= cost


def test_the_olmo_ladder(folder):
    frame = table(folder, "olmo_ladder_18")
    seen = frame["mode"] == "train"
    y = "c4_en_loss_last5"
    result = bnsl.fit(frame[seen], inputs=["N", "D"], y=y, form="chinchilla", **HUBER)
    assert result.cost <= 3.29986e-5
    with pytest.warns(bnsl.ExtrapolationWarning):
        assert result.predict(frame[~seen])[1] == pytest.approx(2.3444, abs=5e-5)


def test_repeated_data_has_another_minimum_than_the_published(folder):
    frame = table(folder, "data_constrained_182")
    held = {"A": np.exp(6.255414), "B": np.exp(7.3049974), "E": np.exp(0.6254804)}
    held |= {"alpha": 0.3526596, "beta": 0.3526596}
    names = ["params", "tokens", "unique_tokens"]
    result = bnsl.fit(frame, inputs=names, y="loss", form="data_constrained", fixed=held, **HUBER)
    assert result.cost <= 0.0158047
    assert result.params["R_D"] == pytest.approx(95.4, rel=0.01)
    notes = dict(result.warnings)
    assert "R_D" in notes.get("poorly_determined", "") + notes.get("nearly_singular", "")


def hyper(rng, count, noise):
    """Runs of one hyperbreak between parameters and tokens."""
    x = np.exp(rng.uniform([np.log(1e7), np.log(1e9)], [np.log(1e10), np.log(1e12)], (count, 2)))
    law = {
        "E": 1.5,
        "b": 60.0,
        "c0_N": 0.25,
        "c0_D": 0.0,
        "c1": -0.55,
        "d1": -1.0,
        "w1_N": 0.42,
        "w1_D": -0.38,
    }
    true = bnsl.get_form("bnsl", 1, inputs=("N", "D")).evaluate(law, x)
    return x, true, true * np.exp(noise * rng.standard_normal(count))


@pytest.mark.parametrize("seed", range(3))
def test_breaks_are_chosen_and_hold_beyond_the_data(seed):
    x, true, y = hyper(np.random.default_rng(seed), 90, 0.01)
    cheap = np.argsort(np.prod(x, axis=1))[:60]
    dear = np.setdiff1d(np.arange(90), cheap)
    chosen = bnsl.fit(x[cheap], y[cheap], form="bnsl", inputs=["N", "D"])
    known = bnsl.fit(x[cheap], y[cheap], form="bnsl", n_breaks=1, inputs=["N", "D"])
    assert [candidate.n_breaks for candidate in chosen.candidates] == [0, 1, 2]
    errors = [np.sqrt(np.mean(np.log(r.predict(x[dear]) / true[dear]) ** 2)) for r in (chosen, known)]
    assert errors[0] <= 1.2 * errors[1] + 0.002


def test_rows_of_one_run_count_as_what_they_are_worth():
    rng = np.random.default_rng(1)
    params = np.repeat(np.geomspace(3e7, 3e9, 14), 12)
    tokens = np.tile(np.geomspace(1e9, 1e11, 12), 14)
    x = np.column_stack([params, tokens])
    true = bnsl.get_form("chinchilla").evaluate(
        {"E": 1.7, "A": 400, "B": 2000, "alpha": 0.34, "beta": 0.37}, x
    )
    y = true * np.exp(np.repeat(0.01 * rng.standard_normal(14), 12) + 0.001 * rng.standard_normal(168))
    alone = bnsl.fit(x, y, form="chinchilla")
    grouped = bnsl.fit(x, y, form="chinchilla", groups=params.astype(str))
    assert "rows_alike" in dict(alone.warnings)
    assert "rows_alike" not in dict(grouped.warnings)
    assert grouped.params == alone.params
    assert grouped.stderr["alpha"] > 1.5 * alone.stderr["alpha"]
    assert "in 14 groups" in grouped.summary()
    assert bnsl.FitResult.from_json(grouped.to_json()).curve.groups.tolist() == grouped.curve.groups.tolist()


def test_hold_out_by_compute_or_by_a_condition():
    x, _, y = hyper(np.random.default_rng(5), 40, 0.003)
    frame = pd.DataFrame({"n": x[:, 0], "d": x[:, 1], "loss": y})
    by_compute = bnsl.extrapolate(frame, inputs=["n", "d"], y="loss", form="skaling", train_fraction=0.75)
    compute = np.prod(by_compute.result.curve.x, axis=1)
    assert compute.max() < np.prod(by_compute.held_out.x, axis=1).min()
    large = frame["n"] > 2e9
    by_size = bnsl.compare(
        frame, inputs=["n", "d"], y="loss", forms=["skaling", "chinchilla"], held_out=large
    )
    assert len(by_size.held_out) == large.sum()
    assert (by_size.held_out.x[:, 0] > 2e9).all()
    with pytest.raises(bnsl.InputError, match="held_out must be one True or False per row"):
        bnsl.extrapolate(frame, inputs=["n", "d"], y="loss", form="skaling", held_out=[True])


def test_an_input_that_never_changes_and_a_unit_that_is_no_count_are_told():
    rng = np.random.default_rng(7)
    x = np.exp(rng.uniform(0.0, 5.0, (20, 2)))
    y = 1.5 + 0.8 * x[:, 0] ** -0.3 + x[:, 1] ** -0.4
    same = np.column_stack([np.full(20, 1e8), x[:, 1]])
    told = {note.code: note.message for note in bnsl.fit(same, y, form="chinchilla").warnings}
    assert "is 1e+08 in every row" in told["input_constant"]
    codes = [note.code for note in bnsl.fit(x, y, form="bilinear").warnings]
    assert "unit_matters" in codes
    assert "unit_matters" not in [n.code for n in bnsl.fit(x * 1e9, y, form="bilinear").warnings]


def test_many_rows_are_searched_on_some_and_fitted_on_all():
    rng = np.random.default_rng(8)
    x = np.exp(rng.uniform([16.0, 20.0], [22.0, 26.0], (3000, 2)))
    law = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    form = bnsl.get_form("chinchilla")
    y = form.evaluate(law, x) * np.exp(0.01 * rng.standard_normal(3000))
    result = bnsl.fit(x, y, form="chinchilla")
    assert result.status.name == "CONVERGED"
    assert np.sum(result.residuals**2) < np.sum(np.log(form.evaluate(law, x) / y) ** 2)
    # At a minimum no derivative is left.
    seen = form.seen(result.curve.x)
    slopes = form.log_y_and_jacobian(result.theta, seen)[1]
    assert (
        np.abs(slopes @ result.residuals / np.linalg.norm(slopes, axis=1)).max() < 1e-4 * np.sqrt(3000) * 0.01
    )


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("big", r"params\[0\] = 'big' is not a number"),
        (np.inf, r"params\[0\] = inf"),
        (None, "column 'params', row 0"),
    ],
)
def test_cells_that_are_no_numbers_are_named_by_column_and_row(cell, said):
    frame = {
        "params": [cell, *range(1, 12)],
        "tokens": np.arange(1.0, 13.0),
        "loss": 1 + 1 / np.arange(1.0, 13.0),
    }
    with pytest.raises(bnsl.InputError, match=said):
        bnsl.fit(frame, inputs=["params", "tokens"], y="loss", form="chinchilla")


def test_every_row_needs_a_group():
    frame = pd.DataFrame({"params": np.arange(1.0, 13.0), "tokens": np.arange(12.0, 0.0, -1.0), "loss": 1.0})
    with pytest.raises(bnsl.InputError, match=r"groups\[11\] is missing"):
        bnsl.fit(
            frame.assign(run=["a"] * 11 + [None]),
            inputs=["params", "tokens"],
            y="loss",
            form="chinchilla",
            groups="run",
        )
