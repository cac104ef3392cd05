"""Logs of training tools, in files that the tools themselves wrote."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bnsl import Curation, InputError, fit, read_curve, read_runs, read_table
from bnsl.readers.formats import read_source
from bnsl.readers.reading import curve_from_source

TRAINER = Path(__file__).parents[1] / "files" / "trainer_state.json"


def loss(step, size=1.0):
    return 2.0 * np.asarray(step, float) ** -0.3 + 0.5 / size


def refused(path, message, **options):
    with pytest.raises(InputError) as caught:
        read_curve(path, **options)
    assert message in str(caught.value)


# --- TensorBoard ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Two runs as PyTorch writes them, and one as TensorFlow and Keras do."""
    from tensorboard.summary import Writer
    from tensorboardX import SummaryWriter

    folder = tmp_path_factory.mktemp("logs")
    for size in (1, 4):
        with SummaryWriter(str(folder / "torch" / f"size{size}")) as writer:
            for step in range(101):
                writer.add_scalar("train/loss", loss(step + 1, size), step)
                if step % 20 == 0:
                    writer.add_scalar("val/loss", loss(step + 1, size) + 0.25, step)
                    writer.add_text("sample", "words", step)
    writer = Writer(str(folder / "keras"))
    for step in range(1, 31):
        writer.add_scalar("loss", loss(step) if step < 28 else float("nan"), step)
    writer.close()
    return folder


def test_event_files_of_both_kinds(events):
    source = read_source(events / "torch" / "size4")
    assert (source.kind, source.x, source.run, source.name) == ("tensorboard", "step", None, "size4")
    assert source.table.columns.tolist() == ["step", "wall_time", "train/loss", "val/loss"]
    written = loss(np.arange(101) + 1, 4).astype(np.float32)
    np.testing.assert_array_equal(source.table["train/loss"], written)
    assert source.table["val/loss"].count() == 6
    table = read_table(events / "keras")
    np.testing.assert_array_equal(table["loss"][:27], loss(np.arange(1, 28)).astype(np.float32))
    assert np.isinf(table["loss"][27:]).all()  # logged as NaN, and not mistaken for what was not logged


def test_the_curve_of_a_tag_has_the_steps_at_which_it_was_logged(events):
    source = read_source(events / "torch" / "size1")
    reading = curve_from_source(source, y="val/loss")
    assert reading.curve.x.tolist() == [20.0, 40.0, 60.0, 80.0, 100.0]
    assert (reading.curve.x_label, reading.curve.y_label, reading.curve.name) == ("step", "val/loss", "size1")
    assert reading.notes == ("left out 1 row with step = 0, which has no logarithm",)
    refused(
        events / "torch" / "size1",
        "y: say which column to take (y=); x is 'step' unless x= takes another; the columns "
        "are 'step', 'train/loss', 'val/loss' (6 values); and 'wall_time', taken only if named",
    )


def test_a_single_tag_needs_no_name_and_a_diverged_end_is_told(events):
    refused(
        events / "keras",
        "the run diverged after step = 27: column 'loss' from row 28 on is missing or not finite",
    )
    refused(events / "keras", "the run diverged", curation=Curation(diverged=2.0))
    curve = read_curve(events / "keras", curation=Curation(where={"step": 9}))
    assert (curve.x.tolist(), curve.y_label) == ([9.0], "loss")


def test_runs_below_a_folder_are_told_apart(events):
    folder = events / "torch"
    source = read_source(folder)
    assert source.run == "run"
    assert sorted(source.table["run"].unique()) == ["size1", "size4"]
    refused(
        folder,
        "there are 2 runs by 'run': 'size1', 'size4'; take one of them (where={'run': 'size1'})",
        y="val/loss",
    )
    curve = read_curve(folder, y="val/loss", curation=Curation(where={"run": "size4"}))
    np.testing.assert_array_equal(curve.y, read_curve(folder / "size4", y="val/loss").y)
    last = read_curve(folder, y="val/loss", curation=Curation(keep="last"))
    assert last.y.tolist() == sorted(np.float32([loss(101, 1) + 0.25, loss(101, 4) + 0.25]).tolist())


def test_an_event_file_by_its_name_or_its_content(events, tmp_path):
    (file,) = (events / "keras").glob("*tfevents*")
    expected = read_table(events / "keras")
    pd.testing.assert_frame_equal(read_table(file), expected)
    pd.testing.assert_frame_equal(read_table(shutil.copy(file, tmp_path / "renamed")), expected)


def test_an_event_file_without_its_end_is_read_as_far_as_it_goes(events, tmp_path):
    (file,) = (events / "torch" / "size1").glob("*tfevents*")
    cut = tmp_path / file.name
    cut.write_bytes(file.read_bytes()[:2000])
    table = read_table(cut)
    assert 5 < len(table) < 101
    np.testing.assert_array_equal(table["train/loss"], loss(np.arange(len(table)) + 1).astype(np.float32))
    whole = file.read_bytes()
    cut.write_bytes(whole[:20])
    refused(cut, "holds no scalars; is it damaged")
    cut.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    refused(cut, "is damaged at byte")
    cut.write_bytes(b"step,loss\n" * 9)
    refused(cut, "is damaged at byte 0, or holds no events")
    refused(tmp_path / "events.out.tfevents.9", "does not exist")


def test_a_step_that_was_logged_again_has_the_later_value(tmp_path):
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for step in (1, 2, 3, 4):
            writer.add_scalar("loss", 10.0 - step, step, walltime=100.0 + step)
        for step in (3, 4, 5):  # as after a restart from a checkpoint
            writer.add_scalar("loss", 5.0 - step / 2, step, walltime=200.0 + step)
    assert read_curve(tmp_path).y.tolist() == [9.0, 8.0, 3.5, 3.0, 2.5]


# --- Weights & Biases -----------------------------------------------------------------------------

_RECORD = """
import sys
import wandb

for size in (1, 4):
    settings = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
    config = {"params": size * 1000, "optimizer": {"name": "adam"}}
    run = wandb.init(mode="offline", dir=sys.argv[1], name=f"size-{size}", config=config, settings=settings)
    for step in range(1, 401):
        metrics = {"train/loss": 2.0 * step**-0.3 + 0.5 / size}
        if step % 50 == 0:
            metrics["val/loss"] = metrics["train/loss"] + 0.25
            metrics.update({"note": "words", "deep": {"er": 1.0}})
        if step == 400 and size == 4:
            metrics["grad"] = float("nan")
        run.log(metrics, step=step)
    run.finish()
"""


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """Two runs of wandb.init(mode="offline"), in a process of their own."""
    folder = tmp_path_factory.mktemp("offline")
    quiet = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
    done = subprocess.run(
        [sys.executable, "-c", _RECORD, str(folder)],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "wandb"


def runs(offline):
    """The files of the two runs, the smaller model first."""
    files = sorted(offline.rglob("*.wandb"), key=lambda file: file.parent.name)
    return sorted(files, key=lambda file: read_table(file)["config.params"][0])


def test_an_offline_run(offline):
    file = runs(offline)[1]
    assert file.stat().st_size > 32768  # so that records cross the blocks of the file
    source = read_source(file)
    assert (source.kind, source.x, source.run, source.name) == ("wandb", "_step", None, "size-4")
    np.testing.assert_allclose(source.table["train/loss"], loss(np.arange(1, 401), 4), rtol=1e-14)
    assert source.table["deep.er"].count() == 8
    assert source.table["config.optimizer.name"].unique().tolist() == ["adam"]
    assert np.isinf(source.table["grad"].iloc[-1])
    curve = read_curve(file, y="val/loss")
    assert curve.x.tolist() == list(range(50, 401, 50))
    np.testing.assert_allclose(curve.y, loss(curve.x, 4) + 0.25, rtol=1e-14)
    pd.testing.assert_frame_equal(read_table(file.parent), source.table)


def test_offline_runs_of_a_folder_by_a_setting(offline):
    source = read_source(offline)
    assert source.run == "run"
    assert sorted(source.table["run"].unique()) == ["size-1", "size-4"]
    reading = curve_from_source(source, "config.params", "val/loss", curation=Curation(keep="last"))
    assert reading.curve.x.tolist() == [1000.0, 4000.0]
    np.testing.assert_allclose(reading.curve.y, [loss(400, 1) + 0.25, loss(400, 4) + 0.25], rtol=1e-14)
    frontier = curve_from_source(source, y="val/loss", curation=Curation(envelope=True)).curve
    np.testing.assert_allclose(
        frontier.y, loss(frontier.x, 4) + 0.25, rtol=1e-14
    )  # at the same step it is always better


def test_an_offline_run_that_was_cut_off_or_is_damaged(offline, tmp_path):
    whole = runs(offline)[0].read_bytes()
    cut = tmp_path / "run.wandb"
    cut.write_bytes(whole[:20000])
    table = read_table(cut)
    assert 20 < len(table) < 400
    np.testing.assert_allclose(table["train/loss"], loss(np.arange(len(table)) + 1, 1), rtol=1e-14)
    cut.write_bytes(whole[:15000] + b"\xff" + whole[15001:])
    refused(cut, "is damaged at byte")
    cut.write_bytes(whole[:8])
    refused(cut, "holds no history; nothing was logged with run.log")
    cut.write_bytes(b"words")
    refused(cut, "is damaged, or no run or table of Weights & Biases")


@pytest.mark.parametrize(
    "name", ["history.csv", "history.parquet", "records.json", "columns.json", "h.jsonl"]
)
def test_the_table_of_a_history(offline, tmp_path, name):
    """What run.history() gives is one row per step, with the columns that the offline record has as well."""
    history = read_table(runs(offline)[0])
    history = history.drop(columns=[c for c in history if c.startswith("config.")]).replace(np.inf, np.nan)
    path = tmp_path / name
    if path.suffix == ".csv":
        history.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        history.to_parquet(path)
    elif name == "columns.json":
        history.to_json(path)
    else:
        history.to_json(path, orient="records", lines=path.suffix == ".jsonl", double_precision=15)
    source = read_source(path)
    assert (source.kind, source.x, source.sparse) == ("wandb", "_step", True)
    assert {"_timestamp", "_runtime"} <= set(source.aside)
    curve = read_curve(path, y="val/loss")
    assert curve.x.tolist() == list(range(50, 401, 50))
    np.testing.assert_allclose(curve.y, loss(curve.x, 1) + 0.25, rtol=1e-9)


def panel(runs, spread=0.0):
    """A panel exported from the browser: x, then for each run the metric, its least and its largest value."""
    lines = [["Step", *(f"{run} - val/loss{end}" for run in runs for end in ("", "__MIN", "__MAX"))]]
    for step in (10, 20, 30, 40):
        cells = [str(step)]
        for size in runs.values():
            logged = step > 10 or size == 1
            value = loss(step, size)
            cells += [repr(float(v)) if logged else "" for v in (value, value - spread, value + spread)]
        lines.append(cells)
    return "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n"


def test_the_export_of_a_panel(tmp_path):
    path = tmp_path / "wandb_export.csv"
    path.write_text(panel({"a - b, seed 1": 1, "big": 4}))
    source = read_source(path)
    assert (source.kind, source.x, source.run) == ("wandb", "Step", "run")
    assert source.table.columns.tolist() == ["run", "Step", "val/loss"]
    assert source.table["run"].tolist() == ["a - b, seed 1"] * 4 + ["big"] * 3
    curve = read_curve(path, curation=Curation(where={"run": "big"}))
    assert curve.x.tolist() == [20.0, 30.0, 40.0]
    np.testing.assert_array_equal(curve.y, loss(curve.x, 4))
    refused(path, "there are 2 runs by 'run': 'a - b, seed 1', 'big'")
    assert read_table(path, format="csv").shape == (4, 7)
    path.write_text(panel({"big": 4}, spread=0.01))
    table = read_table(path)
    assert table.columns.tolist() == ["run", "Step", "val/loss", "val/loss__MIN", "val/loss__MAX"]
    assert read_curve(path).y_label == "val/loss"
    path.write_text("a - y,a - y__MIN,a - y__MAX\n1,1,1\n")
    refused(path, "the export of a panel lacks its first column")
    path.write_text("x,y\n1,2\n")
    refused(path, "is no table of Weights & Biases", format="wandb")


# --- Hugging Face ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the learning rate")
def test_trainer_state():
    source = read_source(TRAINER)
    assert (source.kind, source.x, source.name) == ("trainer", "step", "files")
    assert {"epoch", "learning_rate", "grad_norm", "eval_runtime", "train_loss"} <= set(source.aside)
    with pytest.warns(UserWarning, match="'learning_rate' falls from 4e-05 to 0"):
        curve = read_curve(TRAINER, y="eval_loss")
    assert curve.x.tolist() == [100.0, 200.0, 300.0, 400.0, 500.0]
    np.testing.assert_allclose(curve.y, loss(curve.x, 1.0) + 0.1, atol=1e-4)
    assert len(read_curve(TRAINER, y="loss")) == 50
    assert read_curve(TRAINER, x="epoch", y="loss").x[-1] == 1.0
    reading = curve_from_source(source)
    assert (reading.curve.y_label, reading.columns.guessed) == ("eval_loss", True)
    (note,) = reading.notes  # the rate stands in the rows of the loss, not in those of eval_loss
    assert note.startswith(
        "the learning rate 'learning_rate' falls from 4e-05 to 0, so the loss falls faster"
    )
    refused(TRAINER, "there is no column 'val_loss'; the columns are 'loss' (50 values)", y="val_loss")
    refused(TRAINER, "'eval_loss' (5 values); and 'epoch', 'grad_norm'", y="val_loss")
    refused(TRAINER, "no row has both 'eval_loss' and 'loss'", x="eval_loss", y="loss")


@pytest.mark.filterwarnings("ignore:the learning rate")
def test_the_latest_checkpoint_of_each_run(tmp_path):
    state = json.loads(TRAINER.read_text())
    for run, checkpoints in {"a": (9, 100), "b": (300,)}.items():
        for step in checkpoints:
            folder = tmp_path / run / f"checkpoint-{step}"
            folder.mkdir(parents=True)
            log = [row for row in state["log_history"] if row["step"] <= step]
            (folder / "trainer_state.json").write_text(
                json.dumps({**state, "log_history": log or [{"step": 1}]})
            )
    assert read_curve(tmp_path / "a", y="loss").x[-1] == 100.0
    assert read_curve(tmp_path / "a" / "checkpoint-100", y="loss").name == "checkpoint-100"
    source = read_source(tmp_path)
    assert source.run == "run"
    assert source.table.groupby("run")["step"].max().to_dict() == {"a": 100.0, "b": 300.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"log_history": []}', "'log_history' is empty; nothing was logged yet"),
        ('{"log_history": [}', "is not valid JSON"),
        ('{"epoch": 1}', "has no list 'log_history'"),
    ],
)
def test_a_bad_trainer_state(tmp_path, text, message):
    path = tmp_path / "trainer_state.json"
    path.write_text(text)
    refused(path, message, format="trainer")


# --- plain logs -----------------------------------------------------------------------------------

LOG = "".join(
    f"12:00:0{i} INFO step {step}/500 | loss {loss(step):.6f} | {1000 + i} tok/s\n"
    + "12:00 saved\n" * (i % 2)
    for i, step in enumerate((1, 10, 20, 40, 80))
)
PATTERN = r"step (?P<x>\d+).*loss (?P<y>\S+)"


def test_a_plain_log_by_a_pattern(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(LOG)
    named = r"step (?P<step>\d+)\S* . loss (?P<loss>\S+) . (?P<speed>\d+) tok"
    assert read_table(path, pattern=named).columns.tolist() == ["step", "loss", "speed"]
    curve = read_curve(path, pattern=PATTERN)
    np.testing.assert_allclose(curve.y, loss(curve.x), atol=1e-6)
    refused(path, "x and y: say which columns to take", pattern=named)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "is a plain log; say what to look for in its lines, such as pattern=r'step (?P<x>"),
        ({"pattern": "step (?P<x>"}, "is no regular expression: missing ), unterminated subpattern"),
        ({"pattern": r"step (\d+)"}, "has no named groups; write (?P<x>...) and (?P<y>...)"),
        ({"pattern": r"epoch (?P<x>\d+)"}, "none of the 7 lines has the pattern"),
        ({"pattern": PATTERN, "format": "csv"}, "pattern is for a plain log, and format is 'csv'"),
        ({"format": "excel"}, "format = 'excel' is unknown; choose one of 'csv', 'tsv', 'json'"),
    ],
)
def test_a_log_and_no_pattern_for_it(tmp_path, options, message):
    (tmp_path / "train.log").write_text(LOG)
    refused(tmp_path / "train.log", message, **options)


# --- what is what ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [("tensorboard", "events.out.tfevents.1", "tensorboard"), ("wandb", "run.wandb", "wandb")],
)
def test_a_reader_that_is_not_installed_says_how(tmp_path, monkeypatch, package, name, extra):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b":W&B\xe1\xbe\x00")
    refused(tmp_path / name, f"pip install 'broken-neural-scaling-laws[{extra}]'")


def test_json_in_its_shapes(tmp_path):
    expected = pd.DataFrame({"x": [1.0, 2.0, 4.0], "y": [3.0, 2.0, 1.5]})
    path = tmp_path / "t.json"
    for orient in ("records", "columns", "split", "table"):
        expected.to_json(path, orient=orient)
        pd.testing.assert_frame_equal(read_table(path)[["x", "y"]], expected)
        renamed = path.rename(tmp_path / "unknown")
        pd.testing.assert_frame_equal(read_table(renamed)[["x", "y"]], expected)
        renamed.rename(path)
    path.write_text('{"x": [1, 2], "y": [1, 2, 3]}')
    refused(path, "the columns do not make a table")
    path.write_text('{"x": 1}')
    refused(path, "is no table: give a list of objects, or an object of columns")


def test_content_tells_where_the_name_does_not(tmp_path):
    expected = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 2.0]})
    expected.to_parquet(tmp_path / "a")
    expected.to_json(tmp_path / "b.data", orient="records", lines=True)
    expected.to_csv(tmp_path / "c", index=False)
    for name in ("a", "b.data", "c"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name), expected)
    expected.to_csv(tmp_path / "d.xyz", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "d.xyz"), expected)
    (tmp_path / "e.xyz").write_text("no table, but words\nand more, of them\n")
    refused(
        tmp_path / "e.xyz", "or name it by format='csv' ('tsv', 'json', 'jsonl', 'parquet', 'tensorboard'"
    )
    pd.testing.assert_frame_equal(read_table(tmp_path / "d.xyz", format="csv"), expected)
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "is a folder without trainer_state.json, event files")


def test_a_long_list_of_columns_is_cut(tmp_path):
    names = [f"metric of layer {i}" for i in range(50)]
    table = pd.DataFrame(np.ones((3, 50)), columns=names)
    table.to_csv(tmp_path / "t.csv", index=False)
    for refused in (
        lambda: read_curve(tmp_path / "t.csv"),
        lambda: read_curve(tmp_path / "t.csv", x="metric of layer 77"),
        lambda: read_curve(tmp_path / "t.csv", curation=Curation(by=["metric of layer 77"])),
        lambda: read_runs(table, where={"metric of layer 77": 1}),
        lambda: read_runs(table),
        lambda: read_runs(table, lr="lr", step="metric of layer 3"),
        lambda: fit(table),
        lambda: fit(table, x="metric of layer 77", y="metric of layer 3"),
    ):
        with pytest.raises(InputError, match=r"'metric of layer 0', .* more") as error:
            refused()
        assert len(str(error.value)) < 300


# --- JSON by lines and by steps, MLflow, downloads of TensorBoard ---------------------------------

STEPS = (200, 400, 900, 2100, 5000)


@pytest.mark.parametrize("name", ["metrics.json", "metrics.jsonl", "metrics"])
def test_the_log_of_a_detector_is_lines_whatever_its_name(tmp_path, name):
    rows = [{"iteration": s, "total_loss": loss(s).item(), "loss_cls": 0.5, "lr": 0.02} for s in STEPS]
    rows.insert(3, {"iteration": 900, "bbox/AP": 31.0})
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = read_source(tmp_path / name)
    assert (source.kind, source.x, source.y, source.sparse) == ("jsonl", "iteration", "total_loss", True)
    np.testing.assert_allclose(read_curve(tmp_path / name).y, loss(STEPS))
    assert read_curve(tmp_path / name, y="loss_cls").x.tolist() == list(STEPS)


def test_a_first_line_that_is_another_and_an_iteration_that_starts_again(tmp_path):
    path = tmp_path / "20260101.json"
    rows = [
        {"mode": "train", "epoch": e, "iter": i, "loss": 1 / e + 1 / i} for e in (1, 2) for i in (50, 100)
    ]
    text = '{"env": {"gpu": 8}, "seed": 1}\n' + "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text)
    assert read_source(path).x == "epoch"  # which rises; the iterations do not
    path.write_text(text.replace('"epoch": 2', '"epoch": 0'))
    assert read_source(path).x is None


def test_an_object_of_steps(tmp_path):
    path = tmp_path / "val.json"
    path.write_text(json.dumps({f"step_{s:08d}": loss(s).item() for s in STEPS[::-1]}))
    reading = curve_from_source(read_source(path))
    assert reading.curve.x.tolist() == list(STEPS)
    assert (reading.curve.x_label, reading.curve.y_label) == ("step", "value")
    path.write_text(json.dumps({f"ckpt-{s}": {"loss": loss(s).item(), "n": {"k": 3}} for s in STEPS}))
    assert read_table(path).columns.tolist() == ["ckpt", "loss", "n.k"]
    path.write_text(json.dumps({str(s): loss(s).item() for s in STEPS}))
    np.testing.assert_allclose(read_curve(path).y, loss(STEPS))
    runs = {name: {f"step{s}": loss(s, size).item() for s in STEPS} for name, size in (("s", 1), ("l", 4))}
    path.write_text(json.dumps(runs))
    assert read_curve(path, curation=Curation(where={"run": "l"})).y.tolist() == list(runs["l"].values())
    for words in ({"lr": 0.1, "name_1": 2}, {"step_1": "x"}, {"a": 1, "b": 2}):
        path.write_text(json.dumps(words))
        refused(path, "is no table: give a list of objects")


@pytest.mark.parametrize("place", ["step_{}.json", "eval-{}.json", "checkpoint-{}/results.json"])
def test_a_folder_of_a_file_a_step(tmp_path, place):
    for step in STEPS:
        file = tmp_path / place.format(step)
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({"results": {"loss": loss(step).item(), "name": "x", "shots": 5}}))
    (tmp_path / "config.json").write_text("{}")
    reading = curve_from_source(read_source(tmp_path))
    np.testing.assert_allclose(reading.curve.y, loss(STEPS))
    assert reading.curve.y_label == "results.loss"
    assert reading.curve.x.tolist() == list(STEPS)
    assert reading.notes[0].endswith("of each file from its name")
    assert "left out 1 files without a step in their names: 'config.json'" in reading.notes


def test_files_a_step_in_folders_of_runs(tmp_path):
    for size in (1, 4):
        (tmp_path / f"size{size}").mkdir()
        for step in STEPS:
            file = tmp_path / f"size{size}" / f"global_step{step}.json"
            file.write_text(json.dumps({"loss": loss(step, size).item(), "step": step * 10}))
    source = read_source(tmp_path)
    assert (source.run, source.y) == ("run", "loss")
    curve = read_curve(tmp_path, curation=Curation(where={"run": "size4"}))
    assert curve.x.tolist() == [10 * step for step in STEPS]  # what the file says counts


@pytest.fixture
def mlruns(tmp_path):
    """Two runs as MLflow's file store keeps them."""
    for i, size in enumerate((1, 4)):
        run = tmp_path / "mlruns" / "0" / f"{i:032x}"
        for kind in ("metrics/val", "params", "tags"):
            (run / kind).mkdir(parents=True)
        lines = [f"17{s:011d} {loss(s, size) if s else 9.0} {s}" for s in (0, *STEPS)]
        lines.insert(2, f"1600000000000 77.0 {STEPS[0]}")  # an earlier value of that step
        (run / "metrics/val/loss").write_text("\n".join(lines) + "\n")
        (run / "metrics/grad").write_text(f"1700000000000 nan {STEPS[0]}\n")
        (run / "params/size").write_text(str(size))
        (run / "tags/mlflow.runName").write_text(f"size {size}")
    return tmp_path / "mlruns"


def test_runs_of_mlflow(mlruns):
    source = read_source(mlruns)
    assert (source.kind, source.x, source.run) == ("mlflow", "step", "run")
    assert np.isinf(source.table["grad"].dropna()).all()
    reading = curve_from_source(source, y="val/loss", curation=Curation(where={"run": "size 4"}))
    np.testing.assert_array_equal(reading.curve.y, loss(STEPS, 4))
    assert reading.notes == ("left out 1 row with step = 0, which has no logarithm",)
    last = curve_from_source(source, "params.size", "val/loss", curation=Curation(keep="last")).curve
    np.testing.assert_array_equal([last.x, last.y], [[1, 4], [loss(5000, 1), loss(5000, 4)]])


def test_one_metric_of_mlflow(mlruns):
    file = sorted(mlruns.rglob("loss"))[0]
    reading = curve_from_source(read_source(file.parents[2]), y="val/loss")
    assert reading.curve.name == "size 1"
    alone = read_source(file)
    assert (alone.kind, alone.name, alone.y) == ("mlflow", "val/loss", "val/loss")
    file.write_text("1700000000000 1.5 1\n1700000000001 half 2\n")
    refused(file, "line 2 is '1700000000001 half 2'; it must be a time, a value and a step")


def test_what_tensorboard_lets_people_download(tmp_path):
    path = tmp_path / "run-a-tag-loss.csv"
    rows = "".join(f"{1.7e9 + s},{s},{loss(s) if s else 5.0}\n" for s in (0, *STEPS))
    path.write_text("Wall time,Step,Value\n" + rows)
    reading = curve_from_source(read_source(path))
    assert (reading.curve.x_label, reading.curve.y_label) == ("Step", "Value")
    np.testing.assert_allclose(reading.curve.y, loss(STEPS))
    assert reading.notes == ("left out 1 row with Step = 0, which has no logarithm",)


def test_the_name_that_an_export_has_for_a_metric_of_one_run(tmp_path):
    path = tmp_path / "panel.csv"
    path.write_text(panel({"gpt - x": 1, "llama 7B": 4}))
    curve = read_curve(path, y="llama 7B - val/loss")
    assert (curve.name, curve.y_label, len(curve)) == ("panel, run llama 7B", "val/loss", 3)
    refused(
        path,
        "y names the run 'gpt - x', and where run is 'llama 7B'",
        y="gpt - x - val/loss",
        curation=Curation(where={"run": "llama 7B"}),
    )
    table = pd.read_csv(path)
    table[[name for name in table if not name.endswith(("__MIN", "__MAX"))]].to_csv(path, index=False)
    assert read_curve(path, y="gpt - x - val/loss").y.tolist() == loss((10, 20, 30, 40)).tolist()


# --- tables with runs -----------------------------------------------------------------------------


def test_runs_of_a_plain_table_are_not_pooled(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame({"Run ID": np.repeat([7, 8], 5), "step": np.tile(STEPS, 2)})
    table["loss"] = loss(table["step"], table["Run ID"])
    table.to_csv(path, index=False)
    source = read_source(path)
    assert source.run == "Run ID"
    refused(path, "there are 2 runs by 'Run ID': '7', '8'; take one of them (where={'Run ID': '7'})")
    assert len(read_curve(path, curation=Curation(where={"Run ID": 8}))) == 5
    table.groupby("Run ID").last().reset_index().to_csv(path, index=False)  # one point per run is a curve
    assert read_source(path).run is None


def test_a_rate_that_falls_is_told_and_one_that_stays_is_not(tmp_path):
    path = tmp_path / "t.csv"
    table = pd.DataFrame({"tokens": STEPS, "loss": loss(STEPS), "lr": np.linspace(3e-3, 3e-4, 5)})
    table.to_csv(path, index=False)
    (note,) = curve_from_source(read_source(path)).notes
    assert note.startswith("the learning rate 'lr' falls from 0.003 to 0.0003")
    assert "a forecast beyond these points is unreliable; bnsl.fit_runs fits" in note
    table.assign(lr=3e-3).to_csv(path, index=False)
    assert curve_from_source(read_source(path)).notes == ()
    table.rename(columns={"tokens": "params"}).to_csv(path, index=False)  # a rate a size is no schedule
    assert curve_from_source(read_source(path)).notes == ()


def test_a_log_is_told_by_a_pattern_of_its_own(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("".join(f"[12:00] iter {s}: train_loss = {loss(s):.4f}, lr 1e-3\n" for s in STEPS))
    with pytest.raises(InputError) as caught:
        read_curve(path)
    pattern = str(caught.value).split("pattern=r'")[1].split("'")[0]
    np.testing.assert_allclose(read_curve(path, pattern=pattern).y, loss(STEPS), atol=1e-4)


def test_a_trainer_state_is_called_as_its_run(tmp_path):
    log = [{"step": s, "loss": 1 + s**-0.5} for s in range(10, 100, 10)]
    path = tmp_path / "tiny-stories" / "checkpoint-90" / "trainer_state.json"
    path.parent.mkdir(parents=True)
    for state, name in (
        ({"best_model_checkpoint": "out/gpt2-wiki/checkpoint-80"}, "gpt2-wiki"),
        ({"trial_name": "lr 3e-4", "best_model_checkpoint": "out/a/checkpoint-80"}, "lr 3e-4"),
        ({"best_model_checkpoint": None}, "tiny-stories"),
    ):
        path.write_text(json.dumps({**state, "log_history": log}))
        assert read_curve(path).name == name
