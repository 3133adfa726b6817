"""Which faults are on: a switchboard that tests, demos and the administration turn.

Belongs here: what a fault is called and takes, switching it, and finding the one that a request
meets. Does not belong here: what any fault does (`answer_faults`, `world_faults`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from spotify_assets.sandbox.clock import Clock

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One thing that can be chosen about a fault: its default, and what else it may be."""

    default: Any
    allows: Callable[[Any], bool]
    wanted: str


def _for_ever(_: Values) -> timedelta | None:
    return None


@dataclass(frozen=True)
class Fault:
    """A way to misbehave. `lasts` tells after how long of the sandbox's clock it ends itself."""

    name: str
    description: str
    parameters: Mapping[str, Parameter]
    lasts: Callable[[Values], timedelta | None] = _for_ever


@dataclass(frozen=True)
class Switched:
    """A fault that is on: since when, until when, and with which values."""

    fault: Fault
    values: Values
    since: datetime
    until: datetime | None


class Faults:
    """All faults there are, and those that are on. Safe across threads."""

    def __init__(self, known: Iterable[Fault], clock: Clock, listeners: Collection[str]) -> None:
        """Start with every fault off."""
        self._known = {fault.name: fault for fault in known}
        self._clock, self._listeners = clock, listeners
        self._lock = threading.Lock()
        self._on: dict[str, Switched] = {}

    def on(self, name: str, /, **parameters: Any) -> None:
        """Switch a fault on; one that is on already starts anew with these parameters.

        Raises ValueError when there is no such fault, or it takes no such parameter or value.
        """
        fault = self._fault(name)
        values = self._checked(fault, parameters)
        since, lasts = self._clock.now(), fault.lasts(values)
        with self._lock:
            self._on.pop(name, None)  # so that it takes its place behind the others
            until = None if lasts is None else since + lasts
            self._on[name] = Switched(fault, values, since, until)

    def off(self, name: str | None = None) -> None:
        """Switch a fault off, or all of them. Raises ValueError when there is no such fault."""
        if name is not None:
            self._fault(name)
        with self._lock:
            for ended in list(self._on) if name is None else [name]:
                self._on.pop(ended, None)

    def get(self, name: str) -> Switched | None:
        """The fault as it was switched on; None while it is off."""
        with self._lock:
            return self._still_on().get(name)

    def claim(self, path: str, listener: Callable[[], str | None]) -> Switched | None:
        """The fault that the answer to this request shows, if any; it counts as one time.

        Where several could, the one that was switched on first does, until it is used up.
        """
        with self._lock:
            for name, switched in self._still_on().items():
                values = switched.values
                if "path" not in values or not path.startswith(values["path"]):
                    continue  # what has no path is a fault of the world
                if values["listener"] is not None and values["listener"] != listener():
                    continue
                if values["times"] is not None:
                    self._count(name, switched)
                return switched
        return None

    def describe(self) -> list[dict[str, object]]:
        """Every fault: its name, what it does, what it takes, and its values while it is on."""
        with self._lock:
            on = dict(self._still_on())
        return [
            {
                "name": fault.name,
                "description": fault.description,
                "parameters": {name: takes.default for name, takes in fault.parameters.items()},
                "on": on[fault.name].values if fault.name in on else None,
            }
            for fault in self._known.values()
        ]

    def _fault(self, name: str) -> Fault:
        if name not in self._known:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(self._known)}")
        return self._known[name]

    def _checked(self, fault: Fault, given: Values) -> Values:
        """The values of all parameters. Raises ValueError."""
        for name, value in given.items():
            if name not in fault.parameters:
                known = ", ".join(fault.parameters) or "nothing"
                raise ValueError(f"{fault.name} takes no {name!r}; it takes: {known}")
            if not fault.parameters[name].allows(value):
                wanted = fault.parameters[name].wanted
                raise ValueError(f"{name} of {fault.name} must be {wanted}, not {value!r}")
        if given.get("listener") not in (None, *self._listeners):
            known = ", ".join(self._listeners)
            raise ValueError(f"{given['listener']!r} has no account; there are: {known}")
        return {name: takes.default for name, takes in fault.parameters.items()} | dict(given)

    def _count(self, name: str, switched: Switched) -> None:
        left = switched.values["times"] - 1
        if left:
            self._on[name] = replace(switched, values={**switched.values, "times": left})
        else:
            del self._on[name]

    def _still_on(self) -> dict[str, Switched]:
        now = self._clock.now()
        self._on = {
            name: switched
            for name, switched in self._on.items()
            if switched.until is None or now < switched.until
        }
        return self._on


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of 0 or more, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any, most: float) -> bool:
    """Whether a value is a number from 0 to `most`, and not true or false."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and 0 <= value <= most
