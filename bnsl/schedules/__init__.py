"""Learning-rate schedules as immutable objects, made of named phases, callable at a step, joinable.

Unlike other inner packages this one is public as a whole, so that `bnsl.schedules.cosine(...)` reads as in
other libraries. Its names are imported here, and no module is called like a function.
"""

from bnsl.schedules.logs import from_function, from_lambda_lr, from_log, from_optax
from bnsl.schedules.makers import constant, cosine, infinite, linear, wsd
from bnsl.schedules.phase import Logged, Phase
from bnsl.schedules.schedule import Schedule
from bnsl.schedules.text import from_text

__all__ = [
    "Logged",
    "Phase",
    "Schedule",
    "constant",
    "cosine",
    "from_function",
    "from_lambda_lr",
    "from_log",
    "from_optax",
    "from_text",
    "infinite",
    "linear",
    "wsd",
]
