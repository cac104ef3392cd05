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
    with pytest.raises(bnsl.InputError, match="predict_at and out are for curves of one input"):
        bnsl.fit_many(frame, inputs=["n", "d"], y="loss", by="data", form="chinchilla", predict_at=[1.0])
