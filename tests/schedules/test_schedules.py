"""Schedules against their equations, their joints, logs and other libraries."""

import numpy as np
import pytest

import bnsl
from bnsl import InputError, schedules

PEAK, FLOOR, STEPS, RISE = 3e-4, 3e-5, 1000, 10
STEP = np.arange(STEPS + 1)


def test_cosine_is_its_equation_at_every_step():
    s = schedules.cosine(peak=PEAK, steps=STEPS, warmup=RISE, floor=FLOOR)
    decay = FLOOR + (PEAK - FLOOR) / 2 * (np.cos(np.pi * (STEP - RISE) / (STEPS - RISE)) + 1)
    np.testing.assert_allclose(
        s.at(STEP), np.where(STEP < RISE, PEAK * STEP / RISE, decay), rtol=0, atol=1e-15
    )
    assert s.at(RISE) == PEAK
    assert s.final == pytest.approx(FLOOR, rel=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "inv_sqrt"])
@pytest.mark.parametrize("timescale", [1.0, 10.0])
def test_infinite_is_its_equations_at_every_step(kind, timescale):
    middle, cool, end = 1.65e-4, 600, 100
    s = schedules.infinite(
        PEAK, middle, FLOOR, RISE, cool, steps=STEPS, kind=kind, timescale=timescale, anneal=end
    )
    u = (STEP - RISE) / cool

    def h(u):
        return (1 + timescale * np.maximum(u, 0)) ** -0.5 - 1

    cooling = {
        "cosine": middle + (PEAK - middle) / 2 * (np.cos(np.pi * u) + 1),
        "inv_sqrt": PEAK + (middle - PEAK) * h(u) / h(1.0),
    }[kind]
    v = (STEP - (STEPS - end)) / end
    parts = [last > STEP for last in (RISE, RISE + cool, STEPS - end)]
    expected = np.select(parts, [PEAK * STEP / RISE, cooling, middle], middle * (FLOOR / middle) ** v)
    np.testing.assert_allclose(s.at(STEP), expected, rtol=0, atol=1e-15)
    assert [phase.name for phase in s.phases] == ["warm-up", "cool-down", "constant", "annealing"]


@pytest.mark.parametrize(
    ("decay", "way"),
    [
        ("linear", lambda u: 0.1 + 0.9 * (1 - u)),
        ("sqrt", lambda u: 0.1 + 0.9 * (1 - np.sqrt(u))),
        ("exponential", lambda u: 0.1**u),
        ("cosine", lambda u: 0.1 + 0.45 * (1 + np.cos(np.pi * u))),
    ],
)
def test_wsd_decays(decay, way):
    s = schedules.wsd(1.0, 500, 50, 100, 0.1, decay=decay)
    assert (s.at(np.arange(50, 401)) == 1.0).all()
    np.testing.assert_allclose(s.at(np.arange(400, 501)), way(np.arange(101) / 100), rtol=1e-13)


def test_a_share_or_per_cent_is_a_number_of_steps():
    same = [schedules.cosine(1e-3, 400, part) for part in (4, 0.01, "1%")]
    assert same[0] == same[1] == same[2]
    assert len(set(map(hash, same))) == 1
    assert same[0] != schedules.cosine(1e-3, 400, 5)


def test_phases_join_without_a_jump():
    for s in (
        schedules.cosine(PEAK, STEPS, 0.03),
        schedules.wsd(PEAK, STEPS, 30, 200, FLOOR, decay="sqrt"),
        schedules.infinite(PEAK, steps=STEPS),
        schedules.cosine(PEAK, STEPS, 0.03).rewarm(2 * PEAK, 0.02, 500),
    ):
        for before, after in zip(s.phases, s.phases[1:], strict=False):
            assert before.rate(np.array([before.steps]))[0] == pytest.approx(after.start, rel=1e-12)
        assert s.rates().shape == (s.steps + 1,)


def test_joined_schedules_keep_their_rates():
    first, second = schedules.cosine(PEAK, 300, 3), schedules.wsd(1e-3, 200, 20)
    both = first.then(second)
    np.testing.assert_array_equal(both.at(np.arange(300)), first.at(np.arange(300)))
    np.testing.assert_array_equal(both.at(300 + np.arange(201)), second.rates())
    np.testing.assert_array_equal(both.until(250).after(40).rates(), both.at(np.arange(40, 251)))
    np.testing.assert_allclose(both.scaled(3.0).rates(), 3.0 * both.rates(), rtol=1e-14)
    rewarmed = first.rewarm(PEAK, 30, 300)
    assert rewarmed.at(299) > rewarmed.at(300) == pytest.approx(0.1 * PEAK)
    assert rewarmed.peak == PEAK
    assert 300 in both.corners


def test_the_first_step_may_be_the_equations_first():
    zero, one = (schedules.cosine(PEAK, STEPS, RISE, first=first) for first in (0, 1))
    assert zero.at(0) == 0.0
    assert one.at(0) == pytest.approx(PEAK / RISE)
    assert one.steps == STEPS - 1
    np.testing.assert_array_equal(one.rates(), zero.rates()[1:])


def test_it_is_called_at_steps_of_any_shape_and_reads_well():
    s = schedules.cosine(PEAK, 100, 10)
    assert isinstance(s(5), float)
    assert s(np.array([[0, 5], [10, 100]])).shape == (2, 2)
    assert repr(s) == (
        "Schedule(100 steps: warm-up 10 (linear, 0 to 0.0003) -> decay 90 (cosine, 0.0003 to 3e-05))"
    )
    with pytest.raises(AttributeError):
        s.phases = ()


def test_a_log_is_sorted_and_of_doubles_the_later_row_counts():
    s = schedules.from_log([0, 20, 10, 10], [1.0, 0.5, 7.0, 0.8])
    assert s.at([0, 5, 10, 15, 20]) == pytest.approx([1.0, 0.9, 0.8, 0.65, 0.5])


def test_a_log_of_a_schedule_gives_it_back():
    true = schedules.cosine(PEAK, 24000, 2160, FLOOR)
    step = np.arange(2160, 24001, 120)
    found = schedules.from_log(step, true.at(step), warmup=2160)
    assert np.abs(found.rates() - true.rates()).max() < 2e-4 * PEAK


def test_a_log_before_its_first_row():
    level = schedules.from_log([100, 200, 300], [1e-3, 1e-3, 5e-4])
    assert (level.at([0, 50]) == 1e-3).all()
    rising = schedules.from_log([100, 200, 300], [5e-4, 1e-3, 1e-3])
    assert rising.at([0, 50]) == pytest.approx([0.0, 2.5e-4])
    warm = schedules.from_log([0, 200, 400, 600], [7e-4, 6e-4, 1e-3, 1e-3], warmup=300)
    assert warm.at([0, 150, 300, 350]) == pytest.approx([0.0, 5e-4, 1e-3, 1e-3])


def test_a_sudden_fall_in_a_log_is_a_jump():
    step = np.arange(0, 1000, 50)
    s = schedules.from_log(step, np.where(step < 500, 1e-3, 3e-4))
    assert s.at([470, 480]) == pytest.approx([1e-3, 3e-4])
    assert {475, 476} <= set(s.corners.tolist())
    slow = schedules.from_log(step, np.linspace(1e-3, 1e-4, len(step)))
    assert len(slow.phases[-1].knots) == len(step)


def test_optax_there_and_back():
    optax = pytest.importorskip("optax")
    theirs = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 20, 200, 1e-4)
    ours = schedules.cosine(1e-3, 200, 20, 1e-4)
    found = schedules.from_optax(theirs, 200)
    np.testing.assert_allclose(found.rates(), ours.rates(), atol=1e-9)
    for s in (ours, schedules.infinite(1e-3, steps=200, kind="inv_sqrt"), found.then(ours)):
        rate = s.to_optax()
        np.testing.assert_allclose(
            [float(rate(t)) for t in range(0, s.steps + 1, 7)], s.rates()[::7], atol=2e-9
        )
        assert float(rate(s.steps + 50)) == pytest.approx(s.final, abs=1e-9)


class Lambda:
    """What PyTorch's LambdaLR shows of itself."""

    def __init__(self, bases, factors):
        self.base_lrs, self.lr_lambdas = bases, factors


def test_a_lambda_lr_there_and_back():
    ours = schedules.wsd(1e-3, 300, 30, 100, decay="sqrt")
    factor = ours.to_lambda(1e-3)
    assert factor(0) == 0.0
    assert factor(30) == 1.0
    assert factor(400) == factor(300)
    found = schedules.from_lambda_lr(Lambda([1.0, 1e-3], [lambda _: 1.0, factor]), 300, group=1)
    np.testing.assert_allclose(found.rates(), ours.rates(), atol=1e-18)
    with pytest.raises(InputError, match="groups 0 to 0"):
        schedules.from_lambda_lr(Lambda([1.0], [factor]), 300, group=1)
    with pytest.raises(InputError, match="LambdaLR"):
        schedules.from_lambda_lr(object(), 300)


def test_a_text_says_a_schedule():
    s = schedules.from_text("cosine:peak=3e-4,steps=1000,warmup=1%,floor=3e-5")
    assert schedules.from_text("cosine:peak=3e-4,steps=1K,warmup=1%,floor=3e-5") == s
    assert s == schedules.cosine(3e-4, 1000, 10, 3e-5)
    joined = schedules.from_text("wsd:peak=1e-3,decay=sqrt + constant:rate=1e-4", steps=50)
    assert joined == schedules.wsd(1e-3, 50, decay="sqrt").then(schedules.constant(1e-4, 50))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.cosine(0.0, 100), "peak = 0 must be above 0"),
        (lambda: schedules.cosine(-1e-3, 100), "peak = -0.001"),
        (lambda: schedules.cosine(np.nan, 100), "peak = nan"),
        (lambda: schedules.cosine(1e-3, 100, 101), "take more than the 100 steps"),
        (lambda: schedules.cosine(1e-3, 100, "150%"), "between 0% and 100%"),
        (lambda: schedules.cosine(1e-3, 100, 2.5), "warmup = 2.5 must be a whole number"),
        (lambda: schedules.cosine(1e-3, 100, floor=2e-3), "floor = 0.002 lies above peak"),
        (lambda: schedules.cosine(1e-3, 0), "steps = 0"),
        (lambda: schedules.cosine(1e-3, 100).at([5, 101]), r"step\[1\] = 101 lies outside"),
        (lambda: schedules.wsd(1e-3, 100, decay="sqr"), "Did you mean 'sqrt'"),
        (lambda: schedules.wsd(1e-3, 100, decay="exponential"), "floor = 0 cannot be reached"),
        (lambda: schedules.from_log([0, 1], [1e-3, -1e-3]), r"lr\[1\] = -0.001 is negative"),
        (lambda: schedules.from_log([0, 1], [1e-3, np.inf]), r"lr\[1\] = inf is not a finite number"),
        (lambda: schedules.from_log([0, 1], [0.0, 0.0]), "lr is 0 at every step"),
        (lambda: schedules.from_log([-1, 1], [1e-3, 1e-3]), r"step\[0\] = -1 is negative"),
        (lambda: schedules.from_log([0.5, 1], [1e-3, 1e-3]), "not a whole number"),
        (lambda: schedules.from_log([0, 1, 2], [1e-3, 1e-3]), "3 rows and lr has 2"),
        (lambda: schedules.Phase("a", 10, -1e-3, 1e-3), "start = -0.001 is negative"),
        (lambda: schedules.Phase("a", 10, 1e-3, np.nan), "end = nan"),
        (lambda: schedules.Phase("a", 10, 1e-3, 1e-3, "sine"), "shape = 'sine' is unknown"),
        (lambda: schedules.Phase("a", 10, 1e-3, 0.0, "exponential"), "must be above 0"),
        (lambda: schedules.Logged("a", (0, 5, 3), (1e-3,) * 3), "knots must ascend from 0"),
        (lambda: schedules.Logged("a", (0, 5), (1e-3, -1e-3)), r"values\[1\] = -0.001 is negative"),
        (lambda: schedules.Schedule((1,)), r"phases\[0\] = 1 is no Phase"),
        (lambda: schedules.from_function(lambda t: "a", 3), r"rate\[0\] = 'a' is not a number"),
        (lambda: schedules.from_log([0, 5], [1e-3, 1e-3], warmup=9), "warmup = 9 ends after the last"),
        (lambda: schedules.from_text("cosin:peak=1"), "Did you mean 'cosine'"),
        (lambda: schedules.from_text("cosine:peek=1,steps=5"), "Did you mean 'peak'"),
        (lambda: schedules.from_text("cosine:peak=3e-4"), "lacks steps"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_schedules_are_part_of_the_package():
    assert bnsl.schedules.cosine is schedules.cosine
