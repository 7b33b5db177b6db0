"""Families of metrics that requests move, counted in cells; shown by `prometheus_client`, whose own cost 1 to 2 us.

A change is one look-up and one addition in place, without a lock: all changes are made by the event loop's thread.
"""

import math
import os
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from aqueduct.observability.cells import Cells, LocalCells, SharedCells

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
Labels = tuple[str, ...]


class Counter:
    """Sums by label values."""

    def __init__(self, cells: Cells, name: str, text: str, names: Labels) -> None:
        self._cells = cells
        self._name = name
        self._text = text
        self._names = names
        self._places: dict[Labels, int] = {}
        if not names:
            self._place(())

    def add(self, labels: Labels = (), amount: float = 1.0) -> None:
        """Add to the sum of these label values."""
        place = self._places.get(labels)
        if place is None:
            place = self._place(labels)
        self._cells.values[place] += amount

    def _place(self, labels: Labels) -> int:
        place = self._cells.place(self._name, f"{self._name}_total", (self._names, labels), self._text)
        self._places[labels] = place
        return place

    def collect(self) -> Iterable[Metric]:
        """Show the sums of this process."""
        family = CounterMetricFamily(self._name, self._text, labels=self._names)
        for labels, place in self._places.copy().items():
            family.add_metric(labels, self._cells.values[place])
        yield family


class Histogram:
    """Values in buckets and their sum, by label values."""

    def __init__(self, cells: Cells, name: str, text: str, names: Labels, buckets: tuple[float, ...]) -> None:
        self._cells = cells
        self._name = name
        self._text = text
        self._names = names
        self._bounds = (*buckets, math.inf)
        self._shown = (*map(repr, buckets), "+Inf")
        self._places: dict[Labels, tuple[int, ...]] = {}

    def begin(self, labels: Labels) -> None:
        """Show these label values, without a value so far."""
        if labels not in self._places:
            self._made(labels)

    def observe(self, labels: Labels, value: float) -> None:
        """Count a value."""
        places = self._places.get(labels)
        if places is None:
            places = self._made(labels)
        values = self._cells.values
        values[places[-1]] += value
        values[places[bisect_left(self._bounds, value)]] += 1.0

    def _made(self, labels: Labels) -> tuple[int, ...]:
        """Return the places of the buckets, and of the sum."""
        total = self._cells.place(self._name, f"{self._name}_sum", (self._names, labels), self._text)
        names = (*self._names, "le")
        sample = f"{self._name}_bucket"
        places = tuple(
            self._cells.place(self._name, sample, (names, (*labels, shown)), self._text) for shown in self._shown
        )
        self._places[labels] = (*places, total)
        return self._places[labels]

    def collect(self) -> Iterable[Metric]:
        """Show the buckets of this process, each with those below it."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._names)
        for labels, places in self._places.copy().items():
            below = 0.0
            buckets: list[tuple[str, float]] = []
            for shown, place in zip(self._shown, places[:-1], strict=True):
                below += self._cells.values[place]
                buckets.append((shown, below))
            family.add_metric(labels, buckets, self._cells.values[places[-1]])
        yield family


class Gauge:
    """One current value."""

    def __init__(self, cells: Cells, name: str, text: str) -> None:
        self._cells = cells
        self._name = name
        self._text = text
        self._place = cells.place(name, name, ((), ()), text)

    def set(self, value: float) -> None:
        """Replace the value."""
        self._cells.values[self._place] = value

    def collect(self) -> Iterable[Metric]:
        """Show the value of this process."""
        yield GaugeMetricFamily(self._name, self._text, value=self._cells.values[self._place])


class Families:
    """Makes the families of one registry; those of a kind share their cells, and with several workers one file."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._cells: dict[str, Cells] = {}

    def counter(self, name: str, text: str, labels: Labels = ()) -> Counter:
        """Make a counter, `name` without `_total`."""
        made = Counter(self._of("counter"), name, text, labels)
        self._registry.register(made)
        return made

    def histogram(self, name: str, text: str, labels: Labels, buckets: tuple[float, ...]) -> Histogram:
        """Make a histogram; `buckets` are upper bounds below a million in ascending order."""
        made = Histogram(self._of("histogram"), name, text, labels, buckets)
        self._registry.register(made)
        return made

    def gauge(self, name: str, text: str, mode: Literal["livesum", "livemax"]) -> Gauge:
        """Make a gauge; `mode` says what becomes of the values of several workers, of those that live."""
        made = Gauge(self._of(f"gauge_{mode}"), name, text)
        self._registry.register(made)
        return made

    def _of(self, kind: str) -> Cells:
        found = self._cells.get(kind)
        if found is None:
            folder = os.environ.get(FOLDER)
            found = LocalCells() if folder is None else SharedCells(Path(folder, f"{kind}_{os.getpid()}.db"))
            self._cells[kind] = found
        return found
