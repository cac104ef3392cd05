"""Functional forms: BNSL and the baselines M1 to M4; `get_form` finds one by name."""

from bnsl.forms.base import Form, Parameter, Separable
from bnsl.forms.baselines import M1, M2, M3, M4
from bnsl.forms.broken import BNSL, Segment
from bnsl.forms.registry import FORMS, get_form

__all__ = ["BNSL", "FORMS", "M1", "M2", "M3", "M4", "Form", "Parameter", "Segment", "Separable", "get_form"]
