"""Continual pre-training in small: a character model, pre-trained on English manual pages, goes on elsewhere.

It goes on with German manual pages (a strong shift), Python sources (a moderate one) or other English
sections (a weak one), under several schedules and shares of replay, and from scratch for comparison. The text
comes from Debian packages and the Python library and is not kept in the repository; what is measured is, in
`data/continual_pretraining.csv`. A step takes about 4 ms on one core, a run of 4,000 steps 20 s with its
measurements. --check reads the file, fits the law to six runs of each experiment and prints how well it
predicts the others.

    python benchmarks/continual.py [--shift strong] [--seed 0] [--out data/continual_pretraining.csv]
    python benchmarks/continual.py --check
"""

from __future__ import annotations

import argparse
import gzip
import subprocess
import sysconfig
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bnsl
from bnsl.schedules import Schedule, constant, cosine, infinite

CONTEXT, EMBEDDING, HIDDEN, SYMBOLS = 10, 16, 192, 127
BATCH, STEPS, PEAK, WARMUP = 256, 4000, 3e-3, "1%"
DECAY, SECOND_MOMENT, CLIP = 0.1, 0.95, 1.0
HELD_OUT, EVALUATED = 0.05, 16384  # share of the files; positions at which the loss is measured
CHUNK = 10  # steps between two looks at the clock of the run
PACKAGES = ("manpages", "manpages-dev", "manpages-de")
SHIFTS = ("strong", "moderate", "weak")
COLUMNS = "shift,seed,run,parent,trained_on,replay,step,lr,loss_old,loss_new"
OUT = Path(__file__).resolve().parents[1] / "data" / "continual_pretraining.csv"


# --- text -------------------------------------------------------------------------------------------


def fetched(folder: Path) -> dict[str, Path]:
    """The Debian packages, unpacked; fetched from wherever this machine gets its packages."""
    places = {}
    for name in PACKAGES:
        place = folder / name
        if not place.exists():
            subprocess.run(["apt-get", "download", "-q", name], cwd=folder, check=True, capture_output=True)
            archive = next(folder.glob(f"{name}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", archive, place], check=True)
        places[name] = place
    return places


def manual(places: Iterable[Path], sections: str, language: str = "") -> list[str]:
    """The sources of manual pages of these sections, without their comments, in the order of their names."""
    files = [
        file
        for place in places
        for section in sections
        for file in (place / "usr/share/man" / language / f"man{section}").glob("*.gz")
        if not file.is_symlink()  # another name of a page
    ]
    texts = []
    for file in sorted(files, key=lambda file: file.name):
        lines = gzip.decompress(file.read_bytes()).decode("utf-8", "replace").splitlines()
        texts.append("\n".join(line for line in lines if not line.startswith(('.\\"', "'\\\""))) + "\n")
    return [text for text in texts if len(text) > 200]  # the others point to another page


def library() -> list[str]:
    """The sources of Python's standard library, without its tests."""
    root = Path(sysconfig.get_paths()["stdlib"])
    skipped = {"test", "tests", "site-packages", "idlelib", "__pycache__"}
    files = [file for file in root.rglob("*.py") if not skipped & set(file.relative_to(root).parts)]
    return [file.read_text(encoding="utf-8", errors="replace") for file in sorted(files)]


def corpora(folder: Path) -> dict[str, list[str]]:
    """The texts of every kind of data, as lists of files."""
    place = fetched(folder)
    english = (place["manpages"], place["manpages-dev"])
    return {
        "english": manual(english, "12345678"),
        "german": manual((place["manpages-de"],), "12345678", "de"),
        "python": library(),
        "english_2_3": manual(english, "23"),
        "english_4_5_7_8": manual(english, "14578"),
    }


@dataclass(frozen=True)
class Text:
    """A corpus as symbols: a part to train on, and one to measure on."""

    train: np.ndarray
    test: np.ndarray


def encoded(texts: dict[str, list[str]]) -> dict[str, Text]:
    """Characters as numbers: the most frequent of all corpora, and one symbol for the others."""
    counts: Counter[str] = Counter()
    for files in texts.values():
        sizes = sum(map(len, files))
        for character, count in Counter("".join(files)).items():
            counts[character] += count / sizes  # type: ignore[assignment]
    symbol = {character: i for i, (character, _) in enumerate(counts.most_common(SYMBOLS - 1))}

    def numbers(files: list[str]) -> np.ndarray:
        text = "".join(files)
        return np.fromiter((symbol.get(c, SYMBOLS - 1) for c in text), np.uint8, len(text))

    found = {}
    for name, files in texts.items():
        order = np.random.default_rng(17).permutation(len(files))
        cut = max(int(HELD_OUT * len(files)), 1)
        test, train = ([files[i] for i in part] for part in (order[:cut], order[cut:]))
        found[name] = Text(numbers(train), numbers(test))
    return found


# --- model ------------------------------------------------------------------------------------------


def initial(seed: int) -> dict[str, Any]:
    """The parameters of the network, 94,511 of them."""
    rng = np.random.default_rng(seed)
    sizes = {"hidden": (CONTEXT * EMBEDDING, HIDDEN), "second": (HIDDEN, HIDDEN), "out": (HIDDEN, SYMBOLS)}
    found = {"embedding": rng.normal(0, 1.0, (SYMBOLS, EMBEDDING))}
    for name, (rows, columns) in sizes.items():
        gain = 0.1 if name == "out" else 1.0
        found[name] = rng.normal(0, gain * np.sqrt(2.0 / rows), (rows, columns))
        found[f"{name}_bias"] = np.zeros(columns)
    return {name: value.astype(np.float32) for name, value in found.items()}


class Trainer:
    """Compiled steps of AdamW at rates that are handed in, and the loss on fixed positions."""

    def __init__(self) -> None:
        import jax
        import jax.numpy as jnp
        import optax

        def loss(weights: Any, window: Any) -> Any:
            x = weights["embedding"][window[:, :CONTEXT]].reshape(len(window), -1)
            x = jax.nn.relu(x @ weights["hidden"] + weights["hidden_bias"])
            x = jax.nn.relu(x @ weights["second"] + weights["second_bias"])
            logits = x @ weights["out"] + weights["out_bias"]
            return optax.softmax_cross_entropy_with_integer_labels(logits, window[:, CONTEXT]).mean()

        rule = optax.chain(
            optax.clip_by_global_norm(CLIP),
            optax.scale_by_adam(b2=SECOND_MOMENT),
            optax.add_decayed_weights(DECAY),
        )

        def step(state: Any, given: Any) -> Any:
            weights, memory = state
            window, rate = given
            updates, memory = rule.update(jax.grad(loss)(weights, window), memory, weights)
            weights = jax.tree.map(lambda w, u: w - rate * u, weights, updates)
            return (weights, memory), None

        self.begin = rule.init
        self.steps = jax.jit(lambda state, windows, rates: jax.lax.scan(step, state, (windows, rates))[0])
        self.loss = jax.jit(loss)
        self.array = jnp.asarray


def windows(text: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The characters around each position: the context and the next one."""
    return text[at[..., None] + np.arange(CONTEXT + 1)].astype(np.int32)


# --- runs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """A run: on what, under which schedule, from which weights; replay is the share of old data."""

    name: str
    schedule: Schedule
    parent: str = "pretraining"
    replay: float = 0.0
    trained_on: str = "new"


def usual(peak: float = PEAK, steps: int = STEPS, warmup: float | str = WARMUP) -> Schedule:
    """The cosine of the papers: warm-up of 1 %, floor a tenth of the peak."""
    return cosine(peak, steps, warmup)


def arms(shift: str) -> list[Arm]:
    """The runs of an experiment; the first is the pre-training."""
    endless = infinite(PEAK, steps=STEPS, warmup=WARMUP)
    found = [
        Arm("pretraining", usual(), "", 1.0, "old"),
        Arm("constant_floor", constant(0.1 * PEAK, STEPS)),
        Arm("rewarm", usual()),
        *(Arm(f"rewarm_replay_{100 * share:g}", usual(), replay=share) for share in (0.05, 0.25, 0.5)),
        Arm("scratch_new", usual(), ""),
        Arm("scratch_union", usual(steps=2 * STEPS), "", 0.5, "union"),
    ]
    if shift == "weak":
        return [*found, Arm("rewarm_same_data", usual(), replay=1.0, trained_on="old")]
    return [
        *found,
        Arm("rewarm_half_peak", usual(0.5 * PEAK)),
        Arm("rewarm_double_peak", usual(2.0 * PEAK)),
        Arm("constant_peak", constant(PEAK, STEPS, WARMUP)),
        Arm("rewarm_warmup_0", usual(warmup=0)),
        Arm("rewarm_warmup_2", usual(warmup="2%")),
        Arm("rewarm_replay_1", usual(), replay=0.01),
        *(Arm(f"infinite_replay_{100 * share:g}", endless, replay=share) for share in (0.0, 0.05, 0.25)),
    ]


def looked_at(steps: int) -> set[int]:
    """The steps at which the losses are measured: densely at first, then every hundred."""
    early = {0, 10, 20, 30, 40, 50, 70, 100, 150, 200, 250, 300, 350, 400}
    return early | set(range(100, steps + 1, 100 if steps <= STEPS else 200)) | {steps}


def trained(
    trainer: Trainer, arm: Arm, weights: Any, old: Text, new: Text, seed: int
) -> Iterator[tuple[int, float, float, Any]]:
    """Train, and give step, both losses and the weights wherever they are measured.

    The loss at a step is that after the update with the rate of that step; the rate at step 0 is not used.
    The optimiser begins afresh, as in arXiv 2403.08763.
    """
    rng, fixed = np.random.default_rng([seed, *arm.name.encode()]), np.random.default_rng(0)
    checks = [
        trainer.array(windows(text.test, fixed.integers(0, len(text.test) - CONTEXT - 1, EVALUATED)))
        for text in (old, new)
    ]
    state = (weights, trainer.begin(weights))
    rates = arm.schedule.rates().astype(np.float32)
    shown = looked_at(arm.schedule.steps)
    for first in range(0, arm.schedule.steps + 1, CHUNK):
        if first in shown:
            yield first, *(float(trainer.loss(state[0], check)) for check in checks), state[0]
        if first == arm.schedule.steps:
            return
        shape = (CHUNK, BATCH)
        from_old = rng.random(shape) < arm.replay
        places = [rng.integers(0, len(text.train) - CONTEXT - 1, shape) for text in (old, new)]
        batch = np.where(from_old[..., None], windows(old.train, places[0]), windows(new.train, places[1]))
        state = trainer.steps(
            state, trainer.array(batch), trainer.array(rates[first + 1 : first + CHUNK + 1])
        )


def experiment(trainer: Trainer, shift: str, seed: int, texts: dict[str, Text]) -> Iterator[str]:
    """The rows of all runs of one shift."""
    names = {"strong": ("english", "german"), "moderate": ("english", "python")}
    names["weak"] = ("english_2_3", "english_4_5_7_8")
    old, new = (texts[name] for name in names[shift])
    before: Any = None
    for arm in arms(shift):
        first, weights = before if arm.parent else initial(seed), None
        began = time.perf_counter()
        for step, on_old, on_new, weights in trained(trainer, arm, first, old, new, seed):  # noqa: B007
            rate = arm.schedule.at(step)
            yield (
                f"{shift},{seed},{arm.name},{arm.parent},{arm.trained_on},{arm.replay:g},{step},{rate:.6g},"
                f"{on_old:.4f},{on_new:.4f}"
            )
        if arm.trained_on == "old" and not arm.parent:
            before = weights
        seconds = time.perf_counter() - began
        print(
            f"{shift:9} {seed} {arm.name:20} old {on_old:.3f} new {on_new:.3f} {seconds:5.0f} s", flush=True
        )


FITTED = ("constant_floor", "rewarm", "rewarm_replay_5", "rewarm_replay_50", "infinite_replay_0")
HELD_OUT_ARMS = (
    *("rewarm_half_peak", "rewarm_double_peak", "rewarm_warmup_0", "rewarm_warmup_2"),
    *("rewarm_replay_1", "rewarm_replay_25", "infinite_replay_5", "infinite_replay_25"),
)


def measured(table: pd.DataFrame, shift: str, seed: int) -> dict[tuple[str, str], bnsl.Run]:
    """The runs of one experiment, by name and by what the loss is measured on."""
    rows = table[(table["shift"] == shift) & (table["seed"] == seed)]
    found: dict[tuple[str, str], bnsl.Run] = {}
    for arm in arms(shift):
        some = rows[rows["run"] == arm.name]
        for side in ("old", "new"):
            parent = found["pretraining", "old"] if arm.parent else None
            replay = arm.replay if arm.parent else 0.0
            loss = some[f"loss_{side}"]
            found[arm.name, side] = bnsl.Run(
                arm.schedule, some["step"], loss, parent, replay, arm.trained_on, side, f"{arm.name}, {side}"
            )
    return found


def check(path: Path) -> None:
    """Fit pre-training and five runs of each experiment, predict eight others."""
    table = pd.read_csv(path)
    for shift, seed in (("strong", 0), ("strong", 1), ("moderate", 0)):
        runs = measured(table, shift, seed)
        fitted = [runs[name, side] for name in FITTED for side in ("old", "new")]
        result = bnsl.continual(runs["pretraining", "old"], fitted)
        print(f"{shift}, seed {seed}")
        off: dict[str, list[float]] = {"old": [], "new": []}
        inside = 0
        for name in HELD_OUT_ARMS:
            for side in ("old", "new"):
                run = runs[name, side]
                value = result.predict(run.schedule, run.step[-5:], replay=run.replay, on=side).mean()
                low, high = getattr(
                    result.final(schedule=run.schedule, replay=run.replay), f"{side}_interval"
                )
                off[side].append(abs(value - run.final))
                inside += low <= run.final <= high
                print(f"    {name:20} {side} {run.final:.3f} predicted {value:.3f} ({low:.3f} to {high:.3f})")
        means = ", ".join(f"{side} {np.mean(values):.4f}" for side, values in off.items())
        print(f"  final losses off by, on average: {means}; {inside} of 16 inside their 90 % intervals")


def main() -> None:
    """Run the experiments that are asked for, or check the law on those that are there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shift", choices=SHIFTS, action="append", help="repeatable (default: all)")
    parser.add_argument("--seed", type=int, action="append", help="repeatable (default: 0)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="OUT.csv")
    parser.add_argument(
        "--corpora", type=Path, metavar="FOLDER", help="where packages are kept between calls"
    )
    parser.add_argument("--check", action="store_true", help="predict the measured runs instead of training")
    args = parser.parse_args()
    if args.check:
        warnings.simplefilter("ignore", bnsl.ExtrapolationWarning)
        check(args.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        texts = encoded(corpora(args.corpora or Path(folder)))
    for name, text in texts.items():
        print(f"{name}: {len(text.train):,} characters to train on, {len(text.test):,} to measure on")
    trainer = Trainer()
    rows = [COLUMNS]
    for shift in args.shift or SHIFTS:
        for seed in args.seed or [0]:
            rows += experiment(trainer, shift, seed, texts)
            args.out.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
