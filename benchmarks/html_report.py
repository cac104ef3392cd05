"""How long a report of 500 points and six forms takes, and how large it is.

    python benchmarks/html_report.py

Time is measured once compiled: the first report of the process is not counted. On a machine that does other
work as well, the time of the processor says more than that of the clock.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

import bnsl

LAW = {"a": 0.3, "b": 2.0, "c0": 0.1, "c1": 0.6, "d1": 1e3, "f1": 0.3}
REPEATS = 5


def main() -> None:
    """Print times and sizes."""
    print("points  noise  seconds  processor seconds  bytes")
    with tempfile.TemporaryDirectory() as folder:
        for count, noise in ((20, 0.02), (500, 0.02), (500, 0.005)):
            x = np.geomspace(1.0, 1e5, count)
            y = bnsl.BNSL(1).evaluate(LAW, x)
            y = y * np.exp(noise * np.random.default_rng(0).standard_normal(count))
            clock, processor = [], []
            for _ in range(REPEATS + 1):
                start = time.perf_counter(), time.process_time()
                path = bnsl.write_report(x, y, path=Path(folder) / "report.html", n_breaks=(0, 1))
                clock.append(time.perf_counter() - start[0])
                processor.append(time.process_time() - start[1])
            row = f"{min(clock[1:]):7.2f}  {min(processor[1:]):17.2f}  {path.stat().st_size:,}"
            print(f"{count:6}  {noise:5}  {row}")


if __name__ == "__main__":
    main()
