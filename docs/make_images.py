"""Make the pictures of the README: `python docs/make_images.py`, from any folder.

`images/four_digit_addition.png` is the 4-digit-addition curve of arXiv 2210.14891: a BNSL with one break
fitted to the first 14 points, and the last three predicted.
"""

from pathlib import Path

from matplotlib.figure import Figure

import bnsl

FOLDER = Path(__file__).resolve().parent / "images"


def main() -> None:
    """Fit, draw, save: 1200 x 800 pixels."""
    forecast = bnsl.extrapolate(bnsl.load_dataset("four_digit_addition"), train_count=14, n_breaks=1)
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    ax = bnsl.plot_fit(forecast, ax=figure.subplots(), x_max=1100.0)
    ax.set_title(
        f"4-digit addition: three points predicted to an RMSLE of {forecast.rmsle:.3f}", fontsize="medium"
    )
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / "four_digit_addition.png", dpi=200, metadata={"Software": None})


if __name__ == "__main__":
    main()
