import dataclasses

import numpy as np
import pytest

import bnsl

# GPT-3 175B (arXiv 2005.14165, table 2.1): 96 layers, width 12288, context 2048; 300e9 training tokens.
DEPTH, WIDTH, CONTEXT, VOCABULARY, TOKENS = 96, 12288, 2048, 50257, 300e9
BODY = 12 * DEPTH * WIDTH**2


def test_flops_is_6_n_d_and_broadcasts():
    params, tokens = np.array([[1e8], [70e9]]), np.array([1e9, 1.4e12, 2.0])
    np.testing.assert_allclose(bnsl.flops(6)(params, tokens), 6 * params * tokens)
    assert bnsl.flops()(params=70e9, tokens=1.4e12) == pytest.approx(5.88e23)
    assert bnsl.flops(3.5)(2.0, 4.0) == 28.0


@pytest.mark.parametrize("embeddings", [0, 1, 2])
def test_transformer_flops_of_a_known_model(embeddings):
    cost = bnsl.transformer_flops(CONTEXT, VOCABULARY, aspect=WIDTH / DEPTH, embeddings=embeddings)
    params = BODY + embeddings * VOCABULARY * WIDTH
    assert cost.width(params) == pytest.approx(WIDTH, rel=1e-12)
    attention = 6 * DEPTH * WIDTH * CONTEXT
    assert cost(params, TOKENS) == pytest.approx(
        (6 * BODY + attention + 6 * WIDTH * VOCABULARY) * TOKENS, rel=1e-12
    )
    # The published figure for this run is 3.14e23 (its table D.1), which counts no attention.
    assert cost(params, TOKENS) == pytest.approx(3.14e23, rel=0.03)


def test_attention_without_a_mask_costs_twice_as_much():
    half, full = (bnsl.transformer_flops(aspect=64, causal=causal)(1e8, 1.0) for causal in (True, False))
    width = np.cbrt(1e8 * 64 / 12)
    assert full - half == pytest.approx(6 * width / 64 * width * 2048)


def test_transformer_flops_approach_6_n_d_from_above():
    params = np.geomspace(1e4, 1e13, 30)
    ratio = bnsl.transformer_flops()(params, 1e9) / bnsl.flops(6)(params, 1e9)
    assert (np.diff(ratio) < 0).all()
    assert ratio[0] > 10
    assert 1 < ratio[-1] < 1.01


def test_lifetime_flops():
    cost = bnsl.lifetime_flops(2e12)
    assert cost(13e9, 1e12) == pytest.approx(6 * 13e9 * 1e12 + 2 * 13e9 * 2e12)
    assert bnsl.lifetime_flops(0)(13e9, 1e12) == bnsl.flops(6)(13e9, 1e12)
    assert bnsl.lifetime_flops(10.0, factor=1, inference_factor=0.5)(3.0, 7.0) == 36.0


@pytest.mark.parametrize(
    "cost",
    [
        bnsl.flops(6),
        bnsl.transformer_flops(1024, 32000, aspect=100, embeddings=2, causal=False),
        bnsl.lifetime_flops(2e12),
    ],
)
def test_costs_are_values(cost):
    assert eval(repr(cost)) == cost  # the repr is the call that makes it
    assert cost.inputs == ("params", "tokens")
    assert hash(cost) == hash(eval(repr(cost)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cost.factor = 1.0


def test_repr():
    assert repr(bnsl.flops(6)) == "bnsl.flops(6)"
    assert repr(bnsl.lifetime_flops(2e12)) == (
        "bnsl.lifetime_flops(inference_tokens=2e+12, factor=6, inference_factor=2)"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bnsl.flops(0), "factor = 0 is not a usable number"),
        (lambda: bnsl.flops("6x"), "factor = '6x' is not a number"),
        (lambda: bnsl.flops(np.nan), "factor = nan is not a usable number"),
        (lambda: bnsl.transformer_flops(context=0), "context = 0 must be a whole number >= 1"),
        (lambda: bnsl.transformer_flops(vocabulary=2.5), "vocabulary = 2.5 must be a whole number >= 1"),
        (lambda: bnsl.transformer_flops(aspect=-1), "aspect = -1 is not a usable number"),
        (lambda: bnsl.transformer_flops(embeddings=3), "embeddings = 3 must be 0, 1 or 2"),
        (lambda: bnsl.transformer_flops(embeddings=True), "embeddings = True must be 0, 1 or 2"),
        (lambda: bnsl.lifetime_flops(-1), "inference_tokens = -1 is not a usable number"),
        (lambda: bnsl.lifetime_flops(np.inf), "inference_tokens = inf is not a usable number"),
    ],
)
def test_settings_out_of_range(call, message):
    with pytest.raises(bnsl.InputError, match=message):
        call()
