"""One law of every kind of registered form, in the paper's parameters."""

import bnsl

_ONE = {"a": 0.2, "b": 3.0, "c0": 0.1, "c1": 0.8, "d1": 5.0, "f1": 0.3}

CASES = {
    "bnsl0": (bnsl.BNSL(0), {"a": 0.2, "b": 3.0, "c0": 0.4}),
    "bnsl1": (bnsl.BNSL(1), _ONE),
    "bnsl2": (bnsl.BNSL(2), {**_ONE, "c2": -0.5, "d2": 300.0, "f2": 0.1}),
    "bnsl3": (
        bnsl.BNSL(3),
        {"a": 0.2, "b": 3.0, "c0": -0.1, "c1": 0.8, "d1": 0.5, "f1": 0.3}
        | {"c2": -0.5, "d2": 30.0, "f2": 1.5, "c3": 1.2, "d3": 900.0, "f3": 0.05},
    ),
    "bnsl1-rising": (
        bnsl.BNSL(1, rising=True),
        {"a": 0.95, "b": -0.2, "c0": 0.1, "c1": 0.3, "d1": 5.0, "f1": 0.3},
    ),
    "m1": (bnsl.M1(), {"b": 3.0, "c": 0.3}),
    "m2": (bnsl.M2(), {"b": 3.0, "c": 0.3, "e": 0.1}),
    "m3": (bnsl.M3(), {"b": 3.0, "c": 0.3, "g": 2e-3, "e": 0.1}),
    "m4": (bnsl.M4(), {"b": 3.0, "c": 0.5, "e": 0.1, "e0": 2.0, "alpha": 0.6}),
}
