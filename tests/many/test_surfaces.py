"""`fit_many` of several inputs: a law for every part of a table."""

import numpy as np
import pandas as pd
import pytest

import bnsl


def parts():
    rng = np.random.default_rng(2)
    frames = []
    for name, limit in (("web", 1.7), ("code", 0.9)):
        x = np.exp(rng.uniform([17, 21], [23, 27], (30, 2)))
        law = {"E": limit, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
        y = bnsl.get_form("chinchilla").evaluate(law, x)
        frames.append(pd.DataFrame({"data": name, "n": x[:, 0], "d": x[:, 1], "loss": y}))
    few = frames[0][:2].assign(data="few")
    return pd.concat([*frames, few], ignore_index=True)


@pytest.mark.parametrize("form", ["chinchilla", "bnsl"])
def test_every_part_has_the_row_of_its_fit(form):
    frame = parts()
    rows = bnsl.fit_many(frame, inputs=["n", "d"], y="loss", by="data", form=form)
    assert rows["data"].tolist() == ["web", "code", "few"]
    assert rows["status"].tolist()[2] == "invalid"
    alone = bnsl.fit(frame[frame["data"] == "code"], inputs=["n", "d"], y="loss", form=form)
    assert rows.loc[1, list(alone.params)].to_dict() == pytest.approx(dict(alone.params), rel=1e-12)
    assert rows.loc[1, "n_points"] == 30


def test_what_is_wrong_is_told():
    frame = parts()
    with pytest.raises(bnsl.InputError, match=r"takes 2 inputs; name their columns by inputs=\[...\]"):
        bnsl.fit_many(frame, x="n", y="loss", by="data", form="chinchilla")
    with pytest.raises(bnsl.InputError, match=r"name the columns: x \(or inputs"):
        bnsl.fit_many(frame, y="loss", by="data")
    asked = {"inputs": ["n", "d"], "y": "loss", "by": "data", "form": "chinchilla"}
    with pytest.raises(bnsl.InputError, match="x must have 2 columns"):
        bnsl.fit_many(frame, **asked, predict_at=[1.0])
    with pytest.raises(bnsl.InputError, match="the input 'd' is missing"):
        bnsl.fit_many(frame, **asked, predict_at=[{"n": 1e9}])
    with pytest.raises(bnsl.InputError, match="predict_at = 'n' must be a table or a list of inputs"):
        bnsl.fit_many(frame, **asked, predict_at="n")


def test_predictions_are_those_of_every_fit():
    frame = parts()
    at = [{"n": 1e10, "d": 1e12}, {"n": 5e9, "d": 2e11}]
    asked = {"inputs": ["n", "d"], "y": "loss", "form": "chinchilla"}
    rows = bnsl.fit_many(frame, by="data", predict_at=at, **asked)
    assert list(rows)[-2:] == ["y_at_n=10000000000,d=1e+12", "y_at_n=5000000000,d=200000000000"]
    alone = bnsl.fit(frame[frame["data"] == "web"], **asked)
    expected = alone.predict([list(place.values()) for place in at])
    np.testing.assert_allclose(rows.iloc[0, -2:].astype(float), expected, rtol=1e-12)
    assert rows.iloc[2, -2:].isna().all()
    table = pd.DataFrame(at)
    pd.testing.assert_frame_equal(bnsl.fit_many(frame, by="data", predict_at=table, **asked), rows)


def test_parts_on_disk_are_not_fitted_again(tmp_path, monkeypatch):
    frame = parts()
    asked = {"inputs": ["n", "d"], "y": "loss", "by": "data", "form": "chinchilla", "out": tmp_path / "laws"}
    first = bnsl.fit_many(frame, **asked)
    fitted = []

    def counted(part, **options):
        fitted.append(part["data"].iloc[0])
        return bnsl.fit(part, **options)

    monkeypatch.setattr("bnsl.many.surfaces.fit", counted)
    pd.testing.assert_frame_equal(bnsl.fit_many(frame, **asked), first)
    assert fitted == []
    changed = frame.assign(loss=frame["loss"] * np.where(frame["data"] == "code", 1.01, 1.0))
    again = bnsl.fit_many(changed, **asked)
    assert fitted == ["code"]
    assert again["data"].tolist() == first["data"].tolist()
    assert again.loc[1, "E"] == pytest.approx(1.01 * first.loc[1, "E"], rel=1e-6)
    with pytest.raises(bnsl.InputError, match="holds results of other settings"):
        bnsl.fit_many(frame, **{**asked, "form": "kaplan"})
