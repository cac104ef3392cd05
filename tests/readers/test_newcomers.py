"""Tables as people have them: dashes, umlauts, seeds, several sizes for a budget."""

import numpy as np
import pytest

import bnsl
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source, curves_from_source


def test_a_dash_is_a_missing_cell(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("step,loss\n1,5\n2,-\n4,\u2014\n8,n/a\n16,3\n")
    curve = bnsl.read_curve(path, drop_missing=True)
    assert curve.x.tolist() == [1, 16]


def test_text_of_windows_is_read_and_binary_data_is_not(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("Größe;Verlust\n1;3,5\n2;2,5\n4;2,25\n".encode("cp1252"))
    with pytest.warns(UserWarning, match="read as"):
        curve = bnsl.read_curve(path)
    assert (curve.x_label, curve.y.tolist()) == ("Größe", [3.5, 2.5, 2.25])
    path.write_bytes("x,y\n1,ü\n".encode("latin-1"))
    with pytest.raises(bnsl.InputError, match="row 1 is 'ü'"):
        bnsl.read_curve(path)
    path.write_bytes(np.random.default_rng(1).bytes(400))
    with pytest.raises(bnsl.InputError, match="not text"):
        bnsl.read_curve(path)


def test_seeds_tell_runs_apart(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("seed,n,loss\n" + "".join(f"{s},{n},{3 / n + s}\n" for s in (7, 9) for n in (1, 2, 4)))
    assert list(curves_from_source(read_source(path))) == ["7", "9"]


def test_sizes_of_a_budget_are_told(tmp_path):
    path = tmp_path / "t.csv"
    rows = [(c, n * c**0.5, c**0.5 / n, 2 + c**-0.3 + n / 9) for c in (8, 64, 512, 4096) for n in (1, 2, 4)]
    path.write_text("flops,N,D,loss\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    (doubt,) = curve_from_source(read_source(path), "flops", "loss").doubts
    assert "envelope=True" in doubt
    assert "inputs=['N', 'D']" in doubt


def test_one_run_of_few_points_is_read_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,5\n1,4\n1,6\n")
    assert list(curves_from_source(read_source(path))) == [""]


def test_infinity_at_the_start_is_no_end_of_a_run(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,inf\n2,3\n4,2\n8,1.5\n")
    with pytest.raises(bnsl.InputError, match="row 1 is inf") as found:
        bnsl.read_curve(path)
    assert "end" not in str(found.value)
