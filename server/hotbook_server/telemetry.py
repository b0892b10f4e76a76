"""A bounded registry of metrics: the newest value of each name, its count and its sum.

Holds at most `names_max` names. A new name at the limit takes the place of the name that was
recorded longest ago, in O(1); recording a name that is there never evicts another.
Safe to use from any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from hotbook_shared.address import split_address

NAMES_MAX = 10_000

Gauges = Callable[[], dict[str, float]]
"""Figures that are read at the moment of asking: positions, revision, queue."""


class Series:
    """What was recorded under one name."""

    __slots__ = ("at_ms", "count", "last", "most", "sum")

    def __init__(self) -> None:
        self.at_ms = 0  # when the newest value was recorded
        self.count = 0
        self.sum = 0.0
        self.last = 0.0
        self.most = float("-inf")

    def add(self, value: float) -> None:
        self.at_ms = time.time_ns() // 1_000_000
        self.count += 1
        self.sum += value
        self.last = value
        if value > self.most:
            self.most = value


class Telemetry:
    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._names_max = names_max
        self._series: OrderedDict[str, Series] = OrderedDict()
        self._lock = threading.Lock()

    def record(self, name: str, value: float = 1.0) -> None:
        """Adds a value to the series of a name; a plain event is recorded as 1."""
        with self._lock:
            series = self._series.get(name)
            if series is None:
                if len(self._series) >= self._names_max:
                    self._series.popitem(last=False)
                series = self._series[name] = Series()
            else:
                self._series.move_to_end(name)
            series.add(value)

    def __len__(self) -> int:
        return len(self._series)

    def clear(self) -> None:
        with self._lock:
            self._series.clear()

    def snapshot(self) -> dict[str, Series]:
        with self._lock:
            copies = {}
            for name, series in self._series.items():
                copy = copies[name] = Series()
                copy.count, copy.sum = series.count, series.sum
                copy.last, copy.most, copy.at_ms = series.last, series.most, series.at_ms
            return copies

    def as_figures(self) -> dict[str, float]:
        """A flat mapping: `name.count`, `.sum`, `.last`, `.max`, and `.at_ms` of the newest."""
        figures = {}
        for name, series in self.snapshot().items():
            figures[name + ".count"] = float(series.count)
            figures[name + ".sum"] = series.sum
            figures[name + ".last"] = series.last
            figures[name + ".max"] = series.most
            figures[name + ".at_ms"] = float(series.at_ms)
        return figures


class _Exposition(Collector):
    """Shows the registry in Prometheus' own words; the name becomes a label."""

    def __init__(self, telemetry: Telemetry, gauges: Gauges) -> None:
        self._telemetry = telemetry
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"hotbook_{name}", f"hotbook's {name}", value=value)
        summary = SummaryMetricFamily("hotbook_recorded", "What was recorded", labels=["name"])
        newest = GaugeMetricFamily("hotbook_recorded_last", "The newest value", labels=["name"])
        for name, series in self._telemetry.snapshot().items():
            summary.add_metric([name], count_value=series.count, sum_value=series.sum)
            newest.add_metric([name], series.last)
        yield summary
        yield newest


class MetricsEndpoint:
    """The Prometheus page, on a thread of its own."""

    def __init__(self, telemetry: Telemetry, gauges: Gauges, listen: str) -> None:
        host, port = split_address(listen)
        registry = CollectorRegistry()
        registry.register(_Exposition(telemetry, gauges))
        self._server, self._thread = start_http_server(port, host, registry)
        self.address = f"{listen.rpartition(':')[0]}:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
