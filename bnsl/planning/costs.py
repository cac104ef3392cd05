"""What a run costs, from its inputs: training FLOPs, with attention and vocabulary, with inference.

A cost is any callable of one array per input. Those made here are frozen, say which inputs they take, and
work on arrays of any shape that broadcast against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from bnsl._base.checks import InputError, as_number, check_count, check_flag, told

PARAMS, TOKENS = "params", "tokens"


class Cost:
    """A cost of the inputs `params` and `tokens`, called by name or in this order."""

    inputs: ClassVar[tuple[str, ...]] = (PARAMS, TOKENS)

    made_by: ClassVar[str]  # the function of bnsl

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value:g}" for name, value in vars(self).items())
        return f"bnsl.{self.made_by}({settings.removeprefix('factor=')})"


@dataclass(frozen=True, repr=False)
class Flops(Cost):
    """factor * params * tokens; made by `bnsl.flops`."""

    made_by = "flops"
    factor: float = 6.0

    def __call__(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        """FLOPs, in the shape to which both broadcast."""
        return self.factor * np.asarray(params, float) * np.asarray(tokens, float)


@dataclass(frozen=True, repr=False)
class TransformerFlops(Cost):
    """Training FLOPs with attention and vocabulary; made by `bnsl.transformer_flops`."""

    made_by = "transformer_flops"
    context: int
    vocabulary: int
    aspect: float
    embeddings: int
    causal: bool

    def width(self, params: ArrayLike) -> np.ndarray:
        """The width w of the model, from params = 12 w^3/aspect + embeddings * vocabulary * w."""
        body, table = 12.0 / self.aspect, float(self.embeddings * self.vocabulary)
        target = np.asarray(params, float)
        width = np.cbrt(target / body)  # Newton's method on a convex cubic descends from here to its root.
        for _ in range(60):
            excess = body * width**3 + table * width - target
            width = width - excess / (3.0 * body * width**2 + table)
        return width

    def __call__(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        """FLOPs, in the shape to which both broadcast."""
        width = self.width(params)
        depth = width / self.aspect
        layers = 6.0 * 12.0 * depth * width**2
        attention = (6.0 if self.causal else 12.0) * depth * width * self.context
        logits = 6.0 * width * self.vocabulary
        return (layers + attention + logits) * np.asarray(tokens, float)


@dataclass(frozen=True, repr=False)
class LifetimeFlops(Cost):
    """Training and inference together; made by `bnsl.lifetime_flops`."""

    made_by = "lifetime_flops"
    inference_tokens: float
    factor: float = 6.0
    inference_factor: float = 2.0

    def __call__(self, params: ArrayLike, tokens: ArrayLike) -> np.ndarray:
        """FLOPs, in the shape to which both broadcast."""
        work = self.factor * np.asarray(tokens, float) + self.inference_factor * self.inference_tokens
        return np.asarray(params, float) * work


def flops(factor: float = 6.0) -> Flops:
    """The usual training compute, factor * params * tokens: 6 N D (Kaplan et al. 2020, section 2.1).

    Raises InputError unless the factor is positive.
    """
    return Flops(as_number(factor, "factor", _positive))


def transformer_flops(
    context: int = 2048,
    vocabulary: int = 50_257,
    *,
    aspect: float = 128.0,
    embeddings: int = 0,
    causal: bool = True,
) -> TransformerFlops:
    """Training FLOPs of a decoder-only transformer, with attention over its context and the logits.

    With width w and depth w / aspect, a token costs 6 * 12 depth w^2 for the layers' weights, 12 depth w
    context for attention (half of it if masked parts are not computed), and 6 w vocabulary for the logits
    (Kaplan et al. 2020, table 1; Hoffmann et al. 2022, appendix F). Looking up embeddings is free. For large
    models this tends to 6 N D; small ones cost more.

    Args:
        context: tokens per sequence.
        vocabulary: distinct tokens.
        aspect: width over depth, the same for all sizes.
        embeddings: how many matrices of vocabulary x width your count of parameters includes: 0 without
            embeddings, 1 with tied ones, 2 with separate input and output matrices.
        causal: whether only the unmasked half of attention is computed.

    Raises:
        InputError: a setting that is out of range.
    """
    if type(embeddings) is not int or embeddings not in (0, 1, 2):
        raise InputError(
            f"{told('embeddings', embeddings)} must be 0, 1 or 2: matrices among your parameters"
        )
    return TransformerFlops(
        check_count(context, "context", 1),
        check_count(vocabulary, "vocabulary", 1),
        as_number(aspect, "aspect", _positive),
        int(embeddings),
        check_flag(causal, "causal"),
    )


def lifetime_flops(
    inference_tokens: float, *, factor: float = 6.0, inference_factor: float = 2.0
) -> LifetimeFlops:
    """Training and inference: params * (factor * tokens + inference_factor * inference_tokens).

    With the default factors it is 6 N D + 2 N D_inf (Sardana et al. 2024, arXiv 2401.00448, section 2).

    Args:
        inference_tokens: number of tokens that the model will process in use; 0 or more.
        factor: FLOPs per parameter and training token.
        inference_factor: FLOPs per parameter and inference token.

    Raises:
        InputError: a number that is out of range.
    """
    return LifetimeFlops(
        as_number(inference_tokens, "inference_tokens", lambda v: bool(np.isfinite(v)) and v >= 0),
        as_number(factor, "factor", _positive),
        as_number(inference_factor, "inference_factor", _positive),
    )


def _positive(value: float) -> bool:
    return bool(np.isfinite(value)) and value > 0
