"""From a curve to a fitted law: `fit`, its result, its warnings and its errors."""
