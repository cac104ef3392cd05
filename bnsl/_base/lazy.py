"""pandas, imported at its first use: that takes longer than most fits; and the Axes of annotations."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
else:

    class _Pandas:
        def __getattr__(self, name: str) -> Any:
            import pandas

            return getattr(pandas, name)

    Axes, pd = Any, _Pandas()
