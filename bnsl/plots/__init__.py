"""Results to figures. Nothing is fitted here: the laws, intervals and segments come from the results.

Every function draws into one Axes, makes one if none is given, changes no global setting, and returns the
Axes, so that titles, limits and legends stay in the caller's hands.
"""
