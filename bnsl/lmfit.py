"""`BNSLModel`: broken neural scaling laws as an lmfit model, with a guess from `bnsl.fit`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, check_count
from bnsl.fitting.fit import fit
from bnsl.forms.power_law import broken_power_law

try:
    from lmfit import Model, Parameters
    from lmfit.models import update_param_vals
except ImportError:
    raise ImportError("BNSLModel needs lmfit; pip install 'broken-neural-scaling-laws[lmfit]'") from None

TINY = float(np.finfo(float).tiny)


def _law(names: list[str]) -> Callable[..., np.ndarray]:
    """The law with a signature that names all parameters, which is where lmfit looks for them."""

    def bnsl(x: ArrayLike, a: float, b: float, c0: float, **breaks: float) -> np.ndarray:
        c, d, f = (np.array([breaks[name] for name in names if name[0] == kind]) for kind in "cdf")
        points = np.asarray(x, dtype=float)
        # A minimiser tries bounds, too: 0 for a position or a width.
        return broken_power_law(points, a, b, c0, c, np.maximum(d, TINY), np.maximum(f, TINY))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    arguments = [inspect.Parameter(name, kind) for name in ["x", "a", "b", "c0", *names]]
    bnsl.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    return bnsl


class BNSLModel(Model):
    """A broken neural scaling law with n breaks, with the paper's names: a, b, c0, c1, d1, f1, c2, ...

    ```python
    model = BNSLModel(n_breaks=1)
    result = model.fit(y, model.guess(y, x=x), x=x, weights=1 / y)
    ```

    lmfit minimises absolute errors of y. Weights of 1 / y make them relative, nearly as in `bnsl.fit`.
    Expressions, bounds, minimisers, composite models and confidence intervals of lmfit work as usual.

    Args:
        n_breaks: number of breaks.
        prefix: put before the name of every parameter.
        nan_policy: what lmfit does with NaN: "raise", "propagate" or "omit".
        options: further arguments of lmfit.Model.

    Raises:
        InputError: n_breaks is no whole number >= 0.
    """

    def __init__(
        self,
        n_breaks: int = 1,
        *,
        prefix: str = "",
        nan_policy: str = "raise",
        **options: Any,
    ) -> None:
        self.n_breaks = check_count(n_breaks, "n_breaks")
        names = [f"{letter}{i}" for i in range(1, n_breaks + 1) for letter in "cdf"]
        super().__init__(
            _law(names),
            independent_vars=["x"],
            prefix=prefix,
            nan_policy=nan_policy,
            **options,
        )
        for name in names:
            if name[0] in "df":
                self.set_param_hint(name, min=0.0)

    def guess(self, data: ArrayLike, x: ArrayLike, **values: Any) -> Parameters:
        """Starting values: the least-squares fit of `bnsl.fit` with the same number of breaks.

        Args:
            data: measured values (N,).
            x: positive inputs (N,).
            values: parameters to set instead of guessing.

        Raises:
            InputError: data that cannot be fitted.
        """
        y = np.asarray(data, dtype=float)
        if not y.size:
            raise InputError("data is empty; a guess needs at least three distinct points")
        loss = "log" if np.min(y) > 0 else "linear"
        found = fit(np.asarray(x, dtype=float), y, n_breaks=self.n_breaks, loss=loss)
        parameters = self.make_params(**found.params)
        return update_param_vals(parameters, self.prefix, **values)
