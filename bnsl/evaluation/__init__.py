"""How good a prediction was: held-out points, back-tests, comparisons, benchmarks, scores."""
