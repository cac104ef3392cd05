"""The engine: from the points of a curve to the local minima of the cost."""
