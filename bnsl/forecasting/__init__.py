"""Averages over laws: `forecast`, and joint statements about a curve as a whole."""
