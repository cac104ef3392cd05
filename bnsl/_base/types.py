"""Types of libraries that are imported only when they are needed, for annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame, Series
else:
    Axes = DataFrame = Series = Any
