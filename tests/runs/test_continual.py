"""The law of continual pre-training on this project's own measurements, and runs from files."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnsl
from bnsl import InputError, Run, read_runs, schedules

TABLE = pd.read_csv(Path(__file__).resolve().parents[2] / "data" / "continual_pretraining.csv")
FITTED = ("constant_floor", "rewarm", "rewarm_replay_5", "rewarm_replay_50", "infinite_replay_0")
UNION = (1.788, 1.800)


@pytest.fixture(scope="module")
def runs():
    return {
        (run.name, run.measured_on): run for run in read_runs(TABLE, where={"shift": "strong", "seed": 0})
    }


@pytest.fixture(scope="module")
def result(runs):
    return bnsl.continual(runs["pretraining", "old"], [runs[n, s] for n in FITTED for s in ("old", "new")])


def test_replay_that_was_not_run_is_predicted(result, runs):
    for name in ("rewarm_replay_1", "rewarm_replay_25", "infinite_replay_25"):
        for side, most in (("old", 0.03), ("new", 0.02)):
            run = runs[name, side]
            found = result.predict(run.schedule, run.step[-5:], replay=run.replay, on=side).mean()
            assert found == pytest.approx(run.final, abs=most), (name, side)
            low, high = getattr(result.final(schedule=run.schedule, replay=run.replay), f"{side}_interval")
            assert low < run.final < high


def test_what_the_papers_say_holds_here(runs):
    old, new = (
        {name: run.final for (name, on), run in runs.items() if on == side} for side in ("old", "new")
    )
    peaks = ("rewarm_half_peak", "rewarm", "rewarm_double_peak")
    assert (np.diff([new[name] for name in peaks]) < 0).all()  # a higher peak adapts more
    assert (np.diff([old[name] for name in peaks]) > 0).all()  # and forgets more
    assert abs(new["rewarm_warmup_0"] - new["rewarm_warmup_2"]) < 0.01
    assert new["rewarm"] < new["scratch_new"]
    assert new["rewarm"] < new["constant_floor"]


def test_the_same_data_re_warmed_gets_worse_first():
    weak = {(r.name, r.measured_on): r for r in read_runs(TABLE, where={"shift": "weak", "seed": 0})}
    same = weak["rewarm_same_data", "old"]
    assert same.loss[same.step == 100] > same.loss[0] > same.final
    half = [weak["rewarm_replay_50", side].final for side in ("old", "new")]
    union = [weak["scratch_union", side].final for side in ("old", "new")]
    assert sum(half) < 1.015 * sum(union)


def test_more_replay_forgets_less_and_learns_less(result):
    table = result.front(peak=[3e-3])
    assert (np.diff(table["old"]) < 0).all()
    assert (np.diff(table["new"]) > 0).all()
    assert table["best"].all()
    assert result.forgetting(replay=0.0) > result.forgetting(replay=0.25) > 0


def test_choices(result):
    assert result.worth_rewarming()
    kept = result.best(weight_old=0.2, max_forgetting=0.5)
    assert kept["old"] <= result.pretraining.final + 0.5
    share = result.critical_replay(0.05, UNION)
    assert result.against(UNION, replay=share)["average"] <= np.log(1.05)
    assert result.critical_replay(0.02) >= result.critical_replay(0.2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result.final(peak=1e-2)
    assert any("peak rate 0.01" in str(one.message) for one in told)


def test_a_result_goes_to_json_and_back(result):
    text = result.to_json()
    again = bnsl.ContinualResult.from_json(text)
    assert again.to_json() == text
    assert again.final(replay=0.25) == result.final(replay=0.25)
    assert again.pretraining.step.tolist() == result.pretraining.step.tolist()
    for damaged, message in (
        (text[:200], "not valid JSON"),
        (text.replace('"fitted"', '"fited"'), "the entry 'fitted' is missing"),
        (text.replace('"continual"', '"runs"', 1), "not a saved bnsl continual"),
    ):
        with pytest.raises(InputError, match=message):
            bnsl.ContinualResult.from_json(damaged)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.final(peak=0), "peak = 0 must be above 0"),
        (lambda r: r.final(steps=0), "steps = 0 must be a whole number"),
        (lambda r: r.final(schedule=3), "schedule = 3 is not a schedule"),
        (lambda r: r.final(replay=2), r"replay = 2 lies outside \[0, 1\]"),
        (lambda r: r.front(replay=[]), "must have one entry or more"),
        (lambda r: r.against(2.0), "union must be one-dimensional"),
        (lambda r: r.against((2.0,)), "union has 1 entries"),
        (lambda r: r.worth_rewarming(weight_old=3), r"weight_old = 3 lies outside \[0, 1\]"),
        (lambda r: r.predict(schedules.cosine(1e-3, 10), 11), r"step\[0\] = 11 lies outside"),
    ],
)
def test_bad_questions_are_told(result, call, message):
    with pytest.raises(InputError, match=message):
        call(result)


def test_peaks_that_are_alike_count_once(runs):
    twice = bnsl.continual(
        runs["pretraining", "old"], [run for (name, _), run in runs.items() if run.parent is not None]
    )
    peaks = twice.front(replay=[0.1])["peak"]
    assert peaks.tolist() == pytest.approx([1.5e-3, 3e-3, 6e-3], rel=1e-3)


def test_a_log_is_read_whatever_its_columns_are_called():
    schedule = schedules.cosine(1e-3, 1000, 0)
    step = np.arange(0, 1001, 50)
    rate = pd.DataFrame({"_step": step, "train/learning_rate": schedule.at(step)})
    loss = pd.DataFrame({"_step": step[::-1], "eval/loss": 3.0 + 1 / (1 + step[::-1])})
    (run,) = read_runs(pd.concat([rate, loss]))
    assert run.schedule.at(500) == pytest.approx(schedule.at(500))
    assert run.step.tolist() == step.tolist()


def test_runs_of_one_name_that_a_column_tells_apart_are_told():
    table = TABLE[(TABLE["run"] == "pretraining") & (TABLE["seed"] == 0)]
    with pytest.warns(
        UserWarning, match="'shift' has 3 values .* where={'shift': 'strong'} takes one of them"
    ):
        pooled = read_runs(table)
    assert len(pooled) == len(read_runs(table, where={"shift": "weak"}))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: read_runs(TABLE.drop(columns="lr")), "no column is a learning rate"),
        (lambda: read_runs(TABLE, where={"shfit": "weak"}), "Did you mean 'shift'"),
        (lambda: read_runs(TABLE, where={"shift": "none"}), "no row has shift = none"),
        (
            lambda: read_runs(TABLE[TABLE["run"] == "rewarm"]),
            "its parent 'pretraining' is not among",
        ),
        (lambda: read_runs(TABLE[:54].assign(lr=np.nan)), "run 'pretraining': no row has a rate"),
        (lambda: read_runs(TABLE[:54].assign(lr=-1.0)), r"run 'pretraining': lr\[0\] = -1 is negative"),
        (lambda: read_runs(TABLE[:0]), "the table has no rows"),
        (
            lambda: read_runs(TABLE[:54].assign(loss_old="x")),
            "run 'pretraining': row 0: loss_old = 'x' is not",
        ),
        (lambda: read_runs(_moved(3000)), "its log begins at step 7000, but its parent ends at step 4000"),
        (lambda: read_runs(_moved(-3500)), "its log begins at step 500, but its parent ends at step 4000"),
        (lambda: bnsl.continual(_alone(), [_alone()]), r"runs\[0\] has no parent"),
        (lambda: bnsl.continual(_alone(), [_child("")]), "measured_on = '' must be 'old' or 'new'"),
        (lambda: bnsl.continual(_alone(), [_child("old")]), "no run is measured on 'new' data"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()


def _moved(by):
    """The pre-training and a run that went on from it, whose steps count on and are off by so much."""
    some = TABLE[(TABLE["shift"] == "weak") & TABLE["run"].isin(["pretraining", "rewarm"])]
    went_on = some["run"] == "rewarm"
    return some.assign(step=some["step"] + went_on * (4000 + by))


def _alone():
    step = np.arange(100, 1001, 50)
    return Run(schedules.cosine(1e-3, 1000, 10), step, 2 + 5 / step**0.5)


def _child(on):
    one = _alone()
    return Run(one.schedule, one.step, one.loss, one, 0.1, "new", on)
