"""Which starts go on after a few steps."""

import numpy as np
from normal_problems import stood

from bnsl.solver.effort import MOST
from bnsl.solver.scouting import worth_going_on


def test_the_best_starts_that_lead_to_different_laws_go_on():
    theta = [0.0, 0.1, 1.0, 2.0, 3.0, 0.0, 9.0, 9.0, 9.0, 9.0]
    cost = [1.0, 1.1, 1.2, 2.0, np.nan, np.inf, np.nan, np.inf, np.inf, np.nan]
    chosen = worth_going_on(stood(theta, cost, [12] * 10), 2)
    # The second is alike, the fourth too far behind; of a curve without a cost the first goes on.
    assert chosen[0].tolist() == [True, False, True, False, False]
    assert chosen[1].sum() == 1
    lonely = worth_going_on(stood([0.0, 10.0, 20.0], [1.0, 50.0, 60.0], [12] * 3), 1)
    assert lonely.tolist() == [[True, True, False]]  # two at least
    many = worth_going_on(stood(np.arange(40.0), np.full(40, 1.0), [12] * 40), 1)
    assert many.sum() == MOST
