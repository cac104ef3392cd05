"""Measure the two curves that this folder stores: `double_descent` and `digits_learning_curve`.

Both are test-error curves on the 8x8 handwritten digits that ship with scikit-learn, so making
them again needs no download. Each curve is the mean of many independent repeats. A repeat draws
one random split of the digits and serves every point of its curve from that split, which keeps
the curves smooth: neighbouring points share most of their sampling noise.

    python make_measured_curves.py                                # both, into this folder
    python make_measured_curves.py --only double_descent --output-dir /tmp/curves

Every random draw comes from a fixed seed. The notes next to the CSV files say what was measured.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

N_CLASSES = 10

# Double descent: random ReLU features, minimum-norm least squares.
DESCENT_SEED = 1
DESCENT_REPEATS = 100
DESCENT_TRAIN_SIZE = 200
DESCENT_WIDTH_SPAN = 50.0  # widths run from train_size / span to train_size * span
DESCENT_WIDTHS_PER_SIDE = 29
DESCENT_SOFTNESS = 0.15  # log-distance from the peak below which the widths are evenly spaced
LABEL_NOISE = 0.1
BIAS_SCALE = 0.5

# Learning curve: one nearest neighbour.
LEARNING_SEED = 2
LEARNING_REPEATS = 3000
LEARNING_SIZES = (4, 1500)
LEARNING_POINTS = 28


class Curve(NamedTuple):
    """Points of a measured curve: position, mean test error, standard error of that mean."""

    x: Indices
    y: Array
    y_err: Array


def average_repeats(x: Indices, repeats: Iterable[Array]) -> Curve:
    """Average repeats of one curve, each an array with one test error per entry of `x`."""
    errors = np.stack(list(repeats))
    standard_error = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return Curve(x, errors.mean(axis=0), standard_error)


def random_split(n_examples: int, train_size: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """Shuffle the examples into `train_size` for training and the rest for testing."""
    order = rng.permutation(n_examples)
    return order[:train_size], order[train_size:]


def flip_labels(labels: Indices, probability: float, rng: np.random.Generator) -> Indices:
    """Give each label, with `probability`, a wrong class drawn evenly from the other nine."""
    flipped = rng.random(labels.size) < probability
    shift = rng.integers(1, N_CLASSES, size=labels.size)
    return np.where(flipped, (labels + shift) % N_CLASSES, labels)


def relu_features(inputs: Array, n_features: int, rng: np.random.Generator) -> Array:
    """Map each row z of `inputs` to `max(0, z W + b)`, with W and b drawn from centred normals."""
    weights = rng.standard_normal((inputs.shape[1], n_features))
    biases = BIAS_SCALE * rng.standard_normal(n_features)
    features = inputs @ weights + biases
    return np.maximum(features, 0.0, out=features)


def peak_centred_widths(centre: int, span: float, per_side: int, softness: float) -> Indices:
    """Return widths from `centre / span` to `centre * span`, packed most densely at `centre`.

    The widths are symmetric about `centre` on a log axis. Their log-distance from it grows as a
    hyperbolic sine: evenly up to about `softness`, where the peak is, and geometrically beyond.
    """
    steps = np.linspace(-1.0, 1.0, 2 * per_side + 1) * np.arcsinh(np.log(span) / softness)
    widths = centre * np.exp(softness * np.sinh(steps))
    return np.unique(np.rint(widths).astype(np.int64))


def log_spaced_sizes(first: int, last: int, count: int) -> Indices:
    """Return `count` whole numbers, evenly spaced on a log axis, less any that coincide."""
    return np.unique(np.rint(np.geomspace(first, last, count)).astype(np.int64))


def minimum_norm_error(
    train_features: Array, train_labels: Indices, test_features: Array, test_labels: Indices
) -> float:
    """Return the share of test examples that minimum-norm least squares puts in a wrong class."""
    targets = np.eye(N_CLASSES)[train_labels] - 1.0 / N_CLASSES
    coefficients = np.linalg.lstsq(train_features, targets, rcond=None)[0]
    predicted = (test_features @ coefficients).argmax(axis=1)
    return float(np.mean(predicted != test_labels))


def double_descent_repeat(pixels: Array, labels: Indices, widths: Indices, rng: np.random.Generator) -> Array:
    """Measure the test error at every width, for one split and one draw of the features.

    A width of p uses the first p features of the draw, so wider models contain narrower ones.
    """
    train, test = random_split(len(labels), DESCENT_TRAIN_SIZE, rng)
    centred = pixels - pixels[train].mean(axis=0)
    inputs = centred / np.linalg.norm(centred[train], axis=1).mean()
    noisy_labels = flip_labels(labels[train], LABEL_NOISE, rng)
    features = relu_features(inputs, int(widths[-1]), rng)
    train_features, test_features = features[train], features[test]
    return np.array(
        [
            minimum_norm_error(train_features[:, :p], noisy_labels, test_features[:, :p], labels[test])
            for p in widths
        ]
    )


def double_descent() -> Curve:
    """Measure test error against the number of random features."""
    pixels, labels = load_digits(return_X_y=True)
    widths = peak_centred_widths(
        DESCENT_TRAIN_SIZE, DESCENT_WIDTH_SPAN, DESCENT_WIDTHS_PER_SIDE, DESCENT_SOFTNESS
    )
    generators = (np.random.default_rng([DESCENT_SEED, i]) for i in range(DESCENT_REPEATS))
    return average_repeats(widths, (double_descent_repeat(pixels, labels, widths, rng) for rng in generators))


def squared_distances(points: Array) -> Array:
    """Return all squared Euclidean distances (exact here: the pixels are small whole numbers)."""
    products = points @ points.T
    squared_norms = np.diag(products)
    return squared_norms[:, None] + squared_norms[None, :] - 2.0 * products


def learning_curve_repeat(
    distances: Array, labels: Indices, sizes: Indices, rng: np.random.Generator
) -> Array:
    """Measure the one-nearest-neighbour test error at every training-set size, for one split.

    A size of n trains on the first n training examples, so larger sets contain smaller ones;
    the test set is the same for all sizes.
    """
    train, test = random_split(len(labels), int(sizes[-1]), rng)
    test_to_train = distances[np.ix_(test, train)]
    nearest = (train[test_to_train[:, :n].argmin(axis=1)] for n in sizes)
    return np.array([np.mean(labels[neighbour] != labels[test]) for neighbour in nearest])


def digits_learning_curve() -> Curve:
    """Measure test error against the number of training examples."""
    pixels, labels = load_digits(return_X_y=True)
    distances = squared_distances(pixels)
    sizes = log_spaced_sizes(*LEARNING_SIZES, LEARNING_POINTS)
    generators = (np.random.default_rng([LEARNING_SEED, i]) for i in range(LEARNING_REPEATS))
    return average_repeats(
        sizes, (learning_curve_repeat(distances, labels, sizes, rng) for rng in generators)
    )


def write_curve(curve: Curve, path: Path) -> None:
    """Write a curve as CSV, its values to six significant digits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Curve._fields)
        writer.writerows((int(x), f"{y:.6g}", f"{y_err:.6g}") for x, y, y_err in zip(*curve, strict=True))


CURVES: dict[str, Callable[[], Curve]] = {
    "double_descent": double_descent,
    "digits_learning_curve": digits_learning_curve,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the curves asked for and write each to `<output-dir>/<name>.csv`."""
    parser = argparse.ArgumentParser(description="Measure the curves stored in this folder.")
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="where to write the CSV files (default: the folder of this program)",
    )
    parser.add_argument("--only", choices=sorted(CURVES), help="measure this curve alone")
    options = parser.parse_args(arguments)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    for name in [options.only] if options.only else CURVES:
        path = options.output_dir / f"{name}.csv"
        write_curve(CURVES[name](), path)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
