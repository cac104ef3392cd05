"""Curves beside one another, as evidence sees them, and laws that are not far."""

import numpy as np

import bnsl
from bnsl.evidence.modes import modes
from bnsl.evidence.points import beside, data_of, points_of
from bnsl.evidence.prior import COUNTING

LAW = {"a": 0.1, "b": 1.5, "c0": 0.1, "c1": 0.6, "d1": 200.0, "f1": 0.2}


def points(n=1, count=25, noise=0.01, seed=0, prior=COUNTING):
    x = np.geomspace(1, 1e4, count)
    law = {name: value for name, value in LAW.items() if n or name[1:] != "1"}
    y = bnsl.BNSL(n).evaluate(law, x) * np.exp(noise * np.random.default_rng(seed).normal(size=count))
    return beside([points_of(data_of(bnsl.Curve(x, y)), prior)])


def start(data, n):
    """A law that is not far, relative to the last point."""
    end = float(data.origin[0, 1])
    first, second = [0.5, np.log(150.0 / 1e4), -1.2], [0.3, -1.0, -0.5]
    slope = [0.1, 0.5][n == 0]
    return np.array([[0.05 / np.exp(end), -0.5 if n else -0.1, slope, *(first + second)[: 3 * n]]])


def climbed(form, laws, data):
    """Where laws of the first of some curves lead."""
    return modes(form, laws, np.zeros(len(laws), int), data, COUNTING)
