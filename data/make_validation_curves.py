"""Measure the curves of `validation_curves.csv`: real scaling curves that no prior was learnt from.

Six families, all from data that ship with Python and scikit-learn, so that no download is needed:

- samples: test error or loss of scikit-learn models against the number of training examples;
- descent: test error of minimum-norm least squares against the number of random features, or of examples;
- width: test loss of ridge regression on random features, of forests and of networks against their size;
- ngram: cross-entropy (bits a character) of smoothed n-gram models against the length of the training text;
- characters: validation loss of small neural models of text against training steps;
- steps: test loss of small networks on digits against training steps.

    python make_validation_curves.py --output /tmp/validation_curves.csv --families ngram,descent

Every random draw comes from a fixed seed; linear algebra libraries may differ in the last digits. About two
minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import pydoc_data.topics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_classification,
    make_friedman1,
)
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

Array = NDArray[np.float64]
Named = tuple[str, Array, Array]  # name, x, y


def sizes(first: int, last: int, count: int) -> Array:
    """Whole numbers, evenly spaced on a log axis, without repeats."""
    return np.unique(np.rint(np.geomspace(first, last, count))).astype(float)


# --- samples --------------------------------------------------------------------------------------


def samples() -> Iterator[Named]:
    """Learning curves, the mean of repeats; every repeat serves a whole curve from one split."""
    digits = load_digits(return_X_y=True)
    digits = (digits[0] / 16.0, digits[1])
    cancer = load_breast_cancer(return_X_y=True)
    cancer = ((cancer[0] - cancer[0].mean(0)) / cancer[0].std(0), cancer[1])
    made = make_classification(4000, 20, n_informative=8, n_classes=4, class_sep=1.0, random_state=0)
    friedman = make_friedman1(4000, noise=0.5, random_state=0)
    tasks: list[tuple[str, tuple[Array, Array], Callable[[], object], Array, int]] = [
        (
            "digits, logistic regression",
            digits,
            lambda: LogisticRegression(max_iter=200),
            sizes(16, 1400, 16),
            6,
        ),
        ("digits, support vectors", digits, lambda: SVC(C=5.0), sizes(16, 1400, 18), 20),
        ("digits, naive Bayes", digits, lambda: GaussianNB(var_smoothing=1e-2), sizes(16, 1400, 18), 30),
        (
            "digits, extra trees",
            digits,
            lambda: ExtraTreesClassifier(30, random_state=0),
            sizes(16, 1400, 14),
            6,
        ),
        (
            "digits, discriminant",
            digits,
            lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1),
            sizes(32, 1400, 16),
            20,
        ),
        ("digits, three neighbours", digits, lambda: KNeighborsClassifier(3), sizes(16, 1400, 18), 20),
        (
            "cancer, logistic regression",
            cancer,
            lambda: LogisticRegression(max_iter=300),
            sizes(10, 400, 12),
            60,
        ),
        ("cancer, naive Bayes", cancer, lambda: GaussianNB(var_smoothing=1e-2), sizes(10, 400, 12), 100),
        ("mixture, tree", made, lambda: DecisionTreeClassifier(random_state=0), sizes(20, 3000, 16), 10),
        ("mixture, ten neighbours", made, lambda: KNeighborsClassifier(10), sizes(20, 3000, 16), 15),
        ("mixture, support vectors", made, lambda: SVC(), sizes(20, 3000, 16), 6),
        (
            "mixture, extra trees",
            made,
            lambda: ExtraTreesClassifier(20, random_state=0),
            sizes(20, 3000, 12),
            5,
        ),
        (
            "friedman, forest",
            friedman,
            lambda: RandomForestRegressor(10, random_state=0),
            sizes(10, 3000, 12),
            4,
        ),
        ("friedman, five neighbours", friedman, lambda: KNeighborsRegressor(5), sizes(10, 3000, 20), 15),
    ]
    for name, (inputs, targets), model, at, repeats in tasks:
        errors = np.zeros(len(at))
        for repeat in range(repeats):
            order = np.random.default_rng([1, repeat]).permutation(len(targets))
            train, test = order[: int(at[-1])], order[int(at[-1]) :]
            for i, n in enumerate(at.astype(int)):
                fitted = model().fit(inputs[train[:n]], targets[train[:n]])  # type: ignore[attr-defined]
                predicted = fitted.predict(inputs[test])
                wrong = (
                    (predicted - targets[test]) ** 2 if targets.dtype == float else predicted != targets[test]
                )
                errors[i] += np.mean(wrong) / repeats
        yield name, at, errors


# --- descent --------------------------------------------------------------------------------------


def _features(inputs: Array, count: int, rng: np.random.Generator, kind: str) -> Array:
    weights = rng.standard_normal((inputs.shape[1], count))
    product = inputs @ weights
    if kind == "relu":
        return np.maximum(product + 0.5 * rng.standard_normal(count), 0.0)
    if kind == "fourier":
        return np.cos(product + rng.uniform(0, 2 * np.pi, count))
    return np.tanh(product)


def _centre_out(centre: int, span: float, per_side: int) -> Array:
    steps = np.linspace(-1.0, 1.0, 2 * per_side + 1) * np.arcsinh(np.log(span) / 0.2)
    return np.unique(np.rint(centre * np.exp(0.2 * np.sinh(steps)))).astype(float)


def descent() -> Iterator[Named]:
    """Double descent in the number of features, and in the number of examples."""
    digits, labels = load_digits(return_X_y=True)
    digits = (digits - digits.mean(0)) / 30.0
    hot = np.eye(10)[labels] - 0.1
    diabetes = load_diabetes(return_X_y=True)
    body, progression = diabetes[0] * 20.0, (diabetes[1] - 152.0) / 77.0
    friedman = make_friedman1(2000, noise=1.0, random_state=1)
    smooth, response = friedman[0] - 0.5, (friedman[1] - friedman[1].mean()) / friedman[1].std()
    tasks = [
        ("digits, relu", digits, hot, "relu", 150, 0.0, 30, 25),
        ("digits, fourier", digits, hot, "fourier", 150, 0.0, 30, 25),
        ("digits, tanh, small ridge", digits, hot, "tanh", 150, 1e-4, 30, 25),
        ("diabetes, relu", body, progression[:, None], "relu", 100, 1e-3, 20, 60),
        ("friedman, relu", smooth, response[:, None], "relu", 100, 1e-5, 30, 40),
        ("friedman, fourier", smooth, response[:, None], "fourier", 100, 1e-4, 30, 40),
    ]
    for name, inputs, targets, kind, n, ridge, span, repeats in tasks:
        at = _centre_out(n, span, 18)
        errors = np.zeros(len(at))
        for repeat in range(repeats):
            rng = np.random.default_rng([2, repeat])
            order = rng.permutation(len(targets))
            train, test = order[:n], order[n : n + 400]
            noise = 0.3 * rng.standard_normal((n, targets.shape[1]))
            phi = _features(inputs, int(at[-1]), rng, kind)
            for i, p in enumerate(at.astype(int)):
                a = phi[train, :p] / np.sqrt(p)
                if ridge > 0:
                    dual = np.linalg.solve(a @ a.T + ridge * np.eye(n), targets[train] + noise)
                    weights = a.T @ dual
                else:
                    weights = np.linalg.lstsq(a, targets[train] + noise, rcond=None)[0]
                predicted = phi[test, :p] / np.sqrt(p) @ weights
                errors[i] += np.mean((predicted - targets[test]) ** 2) / repeats
        yield name, at, errors
    for name, inputs, targets, p, repeats in (
        ("digits, 100 features, against examples", digits, hot, 100, 40),
        ("friedman, 60 features, against examples", smooth, response[:, None], 60, 60),
    ):
        at = _centre_out(p, 12, 16)
        errors = np.zeros(len(at))
        for repeat in range(repeats):
            rng = np.random.default_rng([3, repeat])
            order = rng.permutation(len(targets))
            train, test = order[: int(at[-1])], order[int(at[-1]) : int(at[-1]) + 400]
            phi = _features(inputs, p, rng, "relu")
            noisy = targets[train] + 0.3 * rng.standard_normal((len(train), targets.shape[1]))
            for i, n in enumerate(at.astype(int)):
                weights = np.linalg.lstsq(phi[train[:n]], noisy[:n], rcond=1e-8)[0]
                errors[i] += np.mean((phi[test] @ weights - targets[test]) ** 2) / repeats
        yield name, at, errors


# --- width ----------------------------------------------------------------------------------------


def width() -> Iterator[Named]:
    """Test loss against the size of a model, each at the best of its ridges."""
    digits, labels = load_digits(return_X_y=True)
    digits = (digits - digits.mean(0)) / 30.0
    hot = np.eye(10)[labels] - 0.1
    friedman = make_friedman1(3000, noise=0.3, random_state=2)
    smooth, response = friedman[0] - 0.5, (friedman[1] - friedman[1].mean()) / friedman[1].std()
    for name, inputs, targets, kind, n, count in (
        ("digits, ridge, relu", digits, hot, "relu", 1000, 16),
        ("digits, ridge, fourier", digits, hot, "fourier", 1000, 9),
        ("friedman, ridge, relu", smooth, response[:, None], "relu", 1500, 16),
        ("friedman, ridge, tanh", smooth, response[:, None], "tanh", 1500, 8),
    ):
        at = sizes(8, 1024, count)
        errors = np.zeros(len(at))
        for repeat in range(6):
            rng = np.random.default_rng([4, repeat])
            order = rng.permutation(len(targets))
            train, test = order[:n], order[n:]
            phi = _features(inputs, int(at[-1]), rng, kind)
            for i, p in enumerate(at.astype(int)):
                best = min(
                    float(
                        np.mean(
                            (
                                Ridge(alpha)
                                .fit(phi[train, :p], targets[train])
                                .predict(phi[test, :p])
                                .reshape(targets[test].shape)
                                - targets[test]
                            )
                            ** 2
                        )
                    )
                    for alpha in (0.01, 0.1, 1.0)
                )
                errors[i] += best / 6
        yield name, at, errors
    at = sizes(1, 256, 16)
    errors = np.zeros(len(at))
    for repeat in range(4):
        order = np.random.default_rng([5, repeat]).permutation(len(labels))
        forest = ExtraTreesClassifier(int(at[-1]), random_state=repeat).fit(
            digits[order[:600]], labels[order[:600]]
        )
        votes = np.cumsum([tree.predict_proba(digits[order[600:]]) for tree in forest.estimators_], axis=0)
        truth = np.eye(10)[labels[order[600:]]]
        errors += [np.mean(np.sum((votes[int(k) - 1] / k - truth) ** 2, axis=1)) / 4 for k in at]
    yield "digits, trees of a forest", at, errors
    for depth in (1, 2):
        at = sizes(2, 256, 8)
        losses = [
            np.mean([_network([64, *[int(w)] * depth, 10], seed, 400)[1][-1] for seed in range(2)])
            for w in at
        ]
        yield f"digits, network of depth {depth}", at, np.array(losses)


# --- training curves ------------------------------------------------------------------------------


class _Adam:
    """Adam with a cosine schedule (Kingma and Ba, 2015)."""

    def __init__(self, shapes: list[tuple[int, ...]], rate: float, steps: int) -> None:
        self.first, self.second = [np.zeros(s) for s in shapes], [np.zeros(s) for s in shapes]
        self.rate, self.steps, self.step = rate, steps, 0

    def __call__(self, weights: list[Array], gradients: list[Array], decay: bool = True) -> None:
        self.step += 1
        t = self.step
        rate = self.rate * min(1.0, t / 20) * (0.5 + 0.5 * np.cos(np.pi * t / self.steps) if decay else 1.0)
        for w, g, m, v in zip(weights, gradients, self.first, self.second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def _forward(weights: list[Array], inputs: Array) -> list[Array]:
    layers = [inputs]
    for i in range(0, len(weights), 2):
        out = layers[-1] @ weights[i] + weights[i + 1]
        layers.append(np.maximum(out, 0.0) if i + 2 < len(weights) else out)
    return layers


def _loss(logits: Array, labels: NDArray[np.int64]) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]))


def _gradients(
    weights: list[Array], layers: list[Array], labels: NDArray[np.int64]
) -> tuple[list[Array], Array]:
    p = np.exp(layers[-1] - layers[-1].max(axis=1, keepdims=True))
    delta = p / p.sum(axis=1, keepdims=True)
    delta[np.arange(len(labels)), labels] -= 1.0
    delta /= len(labels)
    out: list[Array] = []
    for i in range(len(weights) - 2, -1, -2):
        layer = layers[i // 2]
        out = [layer.T @ delta, delta.sum(axis=0), *out]
        delta = delta @ weights[i].T * (layer > 0 if i else 1.0)
    return out, delta


def _weights(layout: list[int], rng: np.random.Generator) -> list[Array]:
    out: list[Array] = []
    for a, b in itertools.pairwise(layout):
        out += [rng.standard_normal((a, b)) * np.sqrt(2.0 / a), np.zeros(b)]
    return out


def _network(
    layout: list[int], seed: int, steps: int, at: Array | None = None, rate: float = 3e-3, decay: bool = True
) -> tuple[Array, Array]:
    """Test loss of a network on digits, trained on 1,000 of them, at some steps."""
    digits, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng([6, seed])
    order = rng.permutation(len(labels))
    train, test = order[:1000], order[1000:]
    digits = digits / 16.0
    weights = _weights(layout, rng)
    adam = _Adam([w.shape for w in weights], rate, steps)
    marks = np.array([float(steps)]) if at is None else at
    losses = []
    for step in range(1, steps + 1):
        batch = train[rng.integers(0, len(train), 64)]
        layers = _forward(weights, digits[batch])
        adam(weights, _gradients(weights, layers, labels[batch])[0], decay)
        if step in marks:
            losses.append(_loss(_forward(weights, digits[test])[-1], labels[test]))
    return marks, np.array(losses)


def steps() -> Iterator[Named]:
    """Test loss on digits against training steps, without and with a falling learning rate."""
    for name, layout, rate, decay, at in (
        ("width 32, constant rate", [64, 32, 10], 1e-3, False, sizes(10, 1200, 30)),
        ("width 128, constant rate", [64, 128, 10], 3e-4, False, sizes(10, 1200, 30)),
        ("width 64, falling rate", [64, 64, 10], 1e-3, True, sizes(10, 1200, 30)),
        ("linear, constant rate", [64, 10], 3e-3, False, np.arange(20.0, 1201.0, 20.0)),
        ("depth 3, constant rate", [64, 64, 64, 10], 3e-4, False, np.arange(20.0, 1201.0, 20.0)),
    ):
        runs = [_network(layout, seed, 1200, at, rate, decay)[1] for seed in range(3)]
        yield name, at, np.mean(runs, axis=0)


def text() -> NDArray[np.int64]:
    """The text of Python's help topics as small whole numbers, one a character, 40 of them and a rest."""
    joined = "\n".join(pydoc_data.topics.topics[key] for key in sorted(pydoc_data.topics.topics))
    joined = " ".join(joined.lower().split())
    common = [c for c, _ in sorted(((c, joined.count(c)) for c in set(joined)), key=lambda t: (-t[1], t[0]))][
        :40
    ]
    index = {c: i for i, c in enumerate(common)}
    return np.array([index.get(c, len(common)) for c in joined])


def characters() -> Iterator[Named]:
    """Validation loss (nats a character) of networks that see the last characters, against steps."""
    data = text()
    kinds = int(data.max()) + 1
    for name, context, embedding, hidden, rate, total, at in (
        ("context 3, width 16", 3, 6, 16, 3e-3, 3000, sizes(20, 3000, 40)),
        ("context 4, width 64", 4, 8, 64, 2e-3, 3000, sizes(20, 3000, 40)),
        ("context 6, width 128", 6, 8, 128, 2e-3, 2500, np.arange(50.0, 2501.0, 50.0)),
        ("context 8, width 192", 8, 8, 192, 1e-3, 1500, np.arange(50.0, 1501.0, 50.0)),
        ("context 5, width 32, few points", 5, 6, 32, 2e-3, 3200, 2.0 ** np.arange(4, 12)),
    ):
        rng = np.random.default_rng([7, hidden])
        windows = np.lib.stride_tricks.sliding_window_view(data, context + 1)
        cut = int(0.9 * len(windows))
        held = windows[cut::23]
        table = 0.3 * rng.standard_normal((kinds, embedding))
        weights = _weights([context * embedding, hidden, kinds], rng)
        adam = _Adam([w.shape for w in (*weights, table)], rate, total)
        losses = []
        for step in range(1, total + 1):
            rows = windows[rng.integers(0, cut, 128)]
            inputs = table[rows[:, :-1]].reshape(len(rows), -1)
            gradients, delta = _gradients(weights, _forward(weights, inputs), rows[:, -1])
            moved = np.zeros_like(table)
            np.add.at(moved, rows[:, :-1].ravel(), delta.reshape(-1, embedding))
            adam([*weights, table], [*gradients, moved], decay=False)
            if step in at:
                seen = table[held[:, :-1]].reshape(len(held), -1)
                losses.append(_loss(_forward(weights, seen)[-1], held[:, -1]))
        yield name, at[at <= total], np.array(losses)


def ngram() -> Iterator[Named]:
    """Bits a character of interpolated n-gram models (Witten and Bell, 1991) against characters seen."""
    data = text()
    kinds = int(data.max()) + 1
    held = data[-40000:]
    for order, count in ((1, 12), (2, 24), (3, 24), (4, 24), (6, 16), (3, 9)):
        at = sizes(300, len(data) - 40000, count)
        losses = []
        for n in at.astype(int):
            seen = data[:n]
            probability = np.full(len(held) - order, 1.0 / kinds)
            for length in range(order + 1):
                power = kinds ** np.arange(length + 1)
                windows = np.lib.stride_tricks.sliding_window_view(seen, length + 1) @ power
                asked = np.lib.stride_tricks.sliding_window_view(held, length + 1) @ power
                asked = asked[order - length :][: len(probability)]
                # The last character is the digit of the highest power; the rest is the context.
                grams, counts = np.unique(windows, return_counts=True)
                contexts, totals = np.unique(windows % power[-1], return_counts=True)
                different = np.unique(grams % power[-1], return_counts=True)[1]
                c = _looked_up(grams, counts, asked)
                total = _looked_up(contexts, totals, asked % power[-1])
                types = _looked_up(contexts, different, asked % power[-1])
                known = total > 0
                mixed = (c + types * probability) / np.where(known, total + types, 1)
                probability = np.where(known, mixed, probability)
            losses.append(float(-np.mean(np.log2(probability))))
        yield f"order {order}, {len(at)} sizes", at, np.array(losses)


def _looked_up(keys: Array, values: Array, asked: Array) -> Array:
    place = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    return np.where(keys[place] == asked, values[place], 0)


FAMILIES: dict[str, Callable[[], Iterator[Named]]] = {
    "samples": samples,
    "descent": descent,
    "width": width,
    "ngram": ngram,
    "characters": characters,
    "steps": steps,
}


def main() -> None:
    """Measure the families asked for and write them to one CSV file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("validation_curves.csv"))
    parser.add_argument("--families", default=",".join(FAMILIES))
    options = parser.parse_args()
    with options.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("family", "curve", "x", "y"))
        for family in options.families.split(","):
            for name, x, y in FAMILIES[family]():
                writer.writerows((family, name, int(a), f"{b:.6g}") for a, b in zip(x, y, strict=True))
                file.flush()
                print(f"{time.process_time():6.0f} s  {family}: {name}, {len(x)} points")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
