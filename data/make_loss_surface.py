"""Measure `loss_surface`, which this folder stores: a language model at many sizes and amounts of data.

The text is the source code of Python's standard library, as the Python that runs this has it. A small
network predicts each byte from the eight before it (Bengio et al. 2003): their embeddings are joined, and
blocks with a residual connection follow. A row is the mean over runs from different seeds, each trained from
new weights with a learning rate that falls to 0 at its end, so rows are independent.

    pip install 'broken-neural-scaling-laws[data]'
    python make_loss_surface.py                       # all rows, on one core, into this folder
    python make_loss_surface.py --only w16-a0 w24-a0  # these rows
    python make_loss_surface.py --sweep               # the learning rates that RATE sums up

The sizes and amounts form a grid whose diagonals have the same compute. Some runs see few tokens many times.
Every random draw comes from a fixed seed. The note next to the CSV file says what was measured.
"""

import argparse
import csv
import os
import re
import sysconfig
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

Windows = NDArray[np.uint8]
Weights = dict[str, Any]

VOCABULARY = 97  # newline, tab, and the printable bytes of ASCII
WINDOW = 32  # bytes that are predicted in a piece of text
CONTEXT = 8  # bytes that each is predicted from
HELD_OUT = 4096  # windows
BATCH = 4  # windows
CHUNK = 20  # steps that are compiled into one program
DEPTH = 2
WIDTHS = (10, 16, 24, 36, 52, 76)  # the sizes
STEP = 2.1  # ratio of one compute budget to the one before
FIRST_TOKENS = 60_000  # of the smallest model at the smallest budget
WARM_UP = 0.1  # share of a run
RATE = 0.6  # peak learning rate times width
SEEDS = (2, 5)  # fewest and most a row; between them as many as cost
ROW_FLOPS = 5e11
REPEATED = {24: (60_000, 240_000), 52: (60_000, 240_000)}  # distinct tokens of runs of several epochs
EPOCHS = (2, 5, 12, 30)
MOST_TOKENS = 2_500_000  # of these


class Row(NamedTuple):
    """What is trained: a width, tokens in all, distinct ones among them, and how many seeds."""

    name: str
    width: int
    tokens: int
    unique: int
    seeds: int


def text_windows() -> tuple[Windows, Windows]:
    """The text cut into windows of WINDOW + 1 bytes and shuffled: those held out, and those to train on."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(
        file
        for file in library.rglob("*.py")
        if "site-packages" not in file.parts and not file.name.startswith("_sysconfigdata")
    )
    texts = [text for file in files if (text := file.read_bytes()).isascii()]
    text = re.sub(rb" +", b" ", re.sub(rb"[^\t\n -~]", b"", b"".join(texts)))
    codes = np.zeros(256, np.uint8)
    codes[[ord("\n"), ord("\t"), *range(ord(" "), ord("~") + 1)]] = np.arange(VOCABULARY)
    count = len(text) // (WINDOW + 1)
    windows = codes[np.frombuffer(text, np.uint8)[: count * (WINDOW + 1)]].reshape(count, WINDOW + 1)
    windows = windows[np.random.default_rng(0).permutation(count)]
    return windows[:HELD_OUT], windows[HELD_OUT:]


def new_weights(key: jax.Array, width: int) -> Weights:
    """Normal matrices of variance 1 / inputs; those that write to the residual stream are smaller."""
    keys = iter(jax.random.split(key, 2 + 2 * DEPTH))

    def matrix(rows: int, columns: int, scale: float = 1.0) -> jax.Array:
        return scale * rows**-0.5 * jax.random.normal(next(keys), (rows, columns))

    def block() -> Weights:
        up, down = matrix(width, 4 * width), matrix(4 * width, width, (2 * DEPTH) ** -0.5)
        return {"up": up, "down": down, "gain": jnp.ones(width)}

    return {
        "bytes": matrix(width, VOCABULARY).T,
        "join": matrix(CONTEXT * width, width),
        "blocks": [block() for _ in range(DEPTH)],
        "gain": jnp.ones(width),
    }


def normalised(stream: jax.Array, gain: jax.Array) -> jax.Array:
    """Root-mean-square normalisation."""
    return gain * stream * jax.lax.rsqrt(jnp.mean(stream**2, -1, keepdims=True) + 1e-6)


def mean_loss(weights: Weights, windows: jax.Array) -> jax.Array:
    """Cross-entropy in nats a byte; the matrix of bytes serves for input and output."""
    codes = windows.astype(jnp.int32)
    seen = weights["bytes"][codes[:, :-1]] * weights["gain"].size ** 0.5
    padded = jnp.pad(seen, ((0, 0), (CONTEXT - 1, 0), (0, 0)))  # before a window there is nothing
    joined = jnp.concatenate([padded[:, i : i + WINDOW] for i in range(CONTEXT)], -1)
    stream = joined @ weights["join"]
    for block in weights["blocks"]:
        stream += jax.nn.relu(normalised(stream, block["gain"]) @ block["up"]) @ block["down"]
    logits = normalised(stream, weights["gain"]) @ weights["bytes"].T
    return optax.softmax_cross_entropy_with_integer_labels(logits, codes[:, 1:]).mean()


ADAM = optax.scale_by_adam(b1=0.9, b2=0.98)
held_out_loss = jax.jit(mean_loss)


@partial(jax.jit, donate_argnums=0)
def follow(state: Any, batches: jax.Array, peak: float, steps: int) -> Any:
    """A step for every batch; the rate rises, falls to 0 at the last of `steps`, and stays there."""

    def step(state: Any, windows: jax.Array) -> tuple[Any, None]:
        weights, moments, done = state
        warm = jnp.maximum(WARM_UP * steps, 1.0)
        left = jnp.maximum(steps - done, 0.0) / (steps - warm)
        rate = peak * jnp.minimum((done + 1.0) / warm, left)
        updates, moments = ADAM.update(jax.grad(mean_loss)(weights, windows), moments)
        weights = jax.tree.map(lambda w, u: w - rate * u, weights, updates)
        return (weights, moments, done + 1.0), None

    return jax.lax.scan(step, state, batches)[0]


def train(row: Row, seed: int, held_out: Windows, pool: Windows, peak: float | None = None) -> float:
    """The held-out loss at the end of one run; every epoch is in a new order."""
    rng = np.random.default_rng([seed, row.width, row.tokens])
    mine = rng.permutation(len(pool))[: row.unique // WINDOW]
    steps = row.tokens // (WINDOW * BATCH)
    order = np.concatenate([rng.permutation(mine) for _ in range(-(-steps * BATCH // len(mine)))])
    padded = np.resize(order[: steps * BATCH], -(-steps // CHUNK) * CHUNK * BATCH)
    weights = new_weights(jax.random.key(rng.integers(2**31)), row.width)
    state = (weights, ADAM.init(weights), jnp.zeros(()))
    for chunk in padded.reshape(-1, CHUNK, BATCH):
        state = follow(state, pool[chunk], RATE / row.width if peak is None else peak, float(steps))
    return float(np.mean([held_out_loss(state[0], part) for part in np.split(held_out, 16)]))


def sizes(width: int) -> tuple[int, int]:
    """Parameters with and without the matrix of bytes."""
    weights = jax.eval_shape(lambda: new_weights(jax.random.key(0), width))
    count = sum(leaf.size for leaf in jax.tree.leaves(weights))
    return count, count - VOCABULARY * width


def whole_batches(tokens: float) -> int:
    """The nearest whole number of batches, in tokens."""
    return max(round(tokens / (WINDOW * BATCH)), 1) * WINDOW * BATCH


def seeds_for(width: int, tokens: int) -> int:
    """How many runs a row may have."""
    return int(np.clip(ROW_FLOPS / (6.0 * sizes(width)[0] * tokens), *SEEDS))


def design() -> Iterator[Row]:
    """The grid, cheapest budgets first, then the rows of several epochs.

    Model i sees, as its amount j, the tokens that make the compute of diagonal i + j.
    """
    widths = list(WIDTHS)
    least = 6.0 * sizes(widths[0])[0] * FIRST_TOKENS
    for budget in range(2 * len(widths) - 1):
        for i, width in enumerate(widths):
            if 0 <= budget - i < len(widths):
                tokens = whole_batches(least * STEP**budget / (6.0 * sizes(width)[0]))
                yield Row(f"w{width}-a{budget - i}", width, tokens, tokens, seeds_for(width, tokens))
    for width, amounts in REPEATED.items():
        for unique in map(whole_batches, amounts):
            for epochs in EPOCHS:
                if (tokens := epochs * unique) <= MOST_TOKENS:
                    seeds = seeds_for(width, tokens)
                    yield Row(f"w{width}-{unique // 1000}kx{epochs}", width, tokens, unique, seeds)


def spread(rows: Sequence[Row], losses: Sequence[Sequence[float]]) -> list[float]:
    """The standard deviation of log loss between seeds, pooled over rows of a width, repeated data apart."""
    kinds = [(row.width, row.tokens > row.unique) for row in rows]
    squares = dict.fromkeys(kinds, 0.0)
    freedom = dict.fromkeys(kinds, 0)
    for kind, values in zip(kinds, losses, strict=True):
        squares[kind] += float(np.var(np.log(values)) * len(values))
        freedom[kind] += len(values) - 1
    return [(squares[kind] / freedom[kind]) ** 0.5 if freedom[kind] else np.nan for kind in kinds]


def line(row: Row, losses: Sequence[float], sd: float) -> dict[str, Any]:
    """A line of the table."""
    params, bare = sizes(row.width)
    loss = float(np.mean(losses))
    return {
        "run": row.name,
        "params": params,
        "params_no_embed": bare,
        "tokens": row.tokens,
        "unique_tokens": row.unique,
        "epochs": row.tokens // row.unique,
        "flops": 6 * params * row.tokens,
        "seeds": len(losses),
        "loss": round(loss, 5),
        "loss_err": round(loss * sd / len(losses) ** 0.5, 5),
    }


def sweep(held_out: Windows, pool: Windows) -> None:
    """Print losses at rates about those of RATE, for a few sizes and amounts."""
    for width in (10, 24, 52):
        for tokens in (whole_batches(100_000), whole_batches(600_000)):
            for rate in RATE / width * 2.0 ** np.arange(-2.0, 1.5, 0.5):
                loss = train(Row("", width, tokens, tokens, 1), 0, held_out, pool, rate)
                print(f"width {width}, tokens {tokens}, rate {rate:.4f}: loss {loss:.4f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for and write them to a CSV file."""
    parser = argparse.ArgumentParser(description="Measure a loss surface over sizes and amounts of data.")
    here = Path(__file__).resolve().parent
    parser.add_argument("--output", type=Path, default=here / "loss_surface.csv", help="the file to write")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="measure these rows alone")
    parser.add_argument("--sweep", action="store_true", help="print losses at several learning rates instead")
    options = parser.parse_args(arguments)
    held_out, pool = text_windows()
    if options.sweep:
        sweep(held_out, pool)
        return
    rows = [row for row in design() if not options.only or row.name in options.only]
    losses = []
    for row in rows:
        losses.append([train(row, seed, held_out, pool) for seed in range(row.seeds)])
        shown = " ".join(f"{loss:.6f}" for loss in losses[-1])
        print(f"{row.name}: {shown}; {time.process_time():.0f} s of CPU so far", flush=True)
    sd = spread(rows, losses)
    lines = [line(*each) for each in zip(rows, losses, sd, strict=True)]
    with options.output.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
