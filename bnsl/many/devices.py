"""Where the compiled engine runs: the given devices, or a GPU if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from bnsl._base.checks import InputError, told
from bnsl.many.settings import Settings
from bnsl.solver.traced import Placement


def placement_of(settings: Settings) -> Placement:
    """The devices of the settings."""
    if settings.devices is None:
        return Placement()
    devices = {device.id: device for device in jax.devices(settings.platform)}
    chosen = tuple(devices[i] for i in settings.devices)
    return Placement(chosen, wide=settings.platform != "cpu")


def with_devices(settings: Settings, device: str | Sequence[Any] | None) -> Settings:
    """The settings with the devices that were asked for, or a GPU if there is one.

    Raises InputError for a device that JAX does not see.
    """
    if device is None:
        if jax.default_backend() == "cpu":
            return settings
        return settings._replace(devices=(jax.devices()[0].id,), platform=jax.default_backend())
    if isinstance(device, str):
        try:
            found = jax.devices(device)
        except RuntimeError:
            raise InputError(f"{told('device', device)}: JAX sees no such device here; use 'cpu'") from None
        return settings._replace(devices=(found[0].id,), platform=found[0].platform)
    chosen = list(device) if isinstance(device, Sequence) else []
    if not chosen or not all(isinstance(entry, jax.Device) for entry in chosen):
        raise InputError(f"{told('device', device)} must be 'cpu', 'gpu' or a sequence of JAX devices")
    return settings._replace(devices=tuple(entry.id for entry in chosen), platform=chosen[0].platform)
