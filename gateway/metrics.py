"""What is measured: a closed list of metrics, and their text as Prometheus reads it.

Values are read from files when somebody asks, so a number is never older than the question, and no process keeps another one's.
What requests do is not counted here yet: that needs counters that all workers write. What never may come in: a metric that is not in
``METRICS`` (``docs/metrics.md`` has a row for each, with its alarm), or a label that a client, a user or an upstream has a say in (O-01).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest

#: Bounds of what one answer holds. A monitoring system dies of series, and operators write labels of certificates by hand.
MOST_OF_A_METRIC = 2000
LONGEST_LABEL = 64


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    meaning: str


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "gateway_build_info", "gauge", ("version", "python", "aiohttp", "openssl", "cryptography_openssl"), "Always 1; what is running."
        ),
        Metric("gateway_policy_info", "gauge", ("revision",), "Always 1; the revision of the policies that loaded last."),
        Metric("gateway_customers", "gauge", (), "Customers in the policies."),
        Metric("gateway_reload_failed", "gauge", (), "1 while the newest files cannot be loaded and older ones count."),
        Metric("gateway_reload_failures_total", "counter", (), "Reloads that changed nothing because of a mistake."),
        Metric("gateway_process_up", "gauge", ("role",), "Processes of a role that said they serve."),
        Metric("gateway_process_restarts_total", "counter", ("role",), "Processes of a role that were started again."),
        Metric("gateway_server_certificate_expiry_seconds", "gauge", (), "Until the first certificate of the server's chain ends."),
        Metric("gateway_authority_expiry_seconds", "gauge", ("customer",), "Until the first of a customer's authorities ends."),
        Metric("gateway_crl_expiry_seconds", "gauge", ("customer",), "Until the first of a customer's revocation lists ends."),
        Metric(
            "gateway_certificate_expiry_seconds",
            "gauge",
            ("customer", "label", "serial"),
            "Until a client certificate of ours ends that counts and has no successor.",
        ),
        Metric(
            "gateway_certificates_expiring", "gauge", ("customer",), "Client certificates that end within 30 days, without a successor."
        ),
        Metric("gateway_customer_unreadable", "gauge", ("customer",), "1 for a customer whose ledger, authority or list cannot be read."),
        Metric("gateway_state_free_bytes", "gauge", (), "Space left for databases and the audit log."),
        Metric("gateway_admin_refused_total", "counter", ("reason",), "Requests that the operators' listener refused."),
        Metric("gateway_metrics_left_out", "gauge", ("metric",), "Series that an answer had no room for."),
    )
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One number. ``labels`` in the order of the metric's."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


def exposition(samples: Iterable[Sample]) -> bytes:
    """Text of version 0.0.4. Raises KeyError for a metric that is not listed, and ValueError for labels that are not its own."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(samples))
    return generate_latest(registry)


class _Families:
    """What prometheus-client calls a collector: a registry of our own, not the package's global one, which adds what it likes."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._of: dict[str, list[Sample]] = {name: [] for name in METRICS}
        for sample in samples:
            if len(sample.labels) != len(METRICS[sample.name].labels):
                raise ValueError(f"{sample.name} has {len(METRICS[sample.name].labels)} labels")
            self._of[sample.name].append(sample)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for metric in METRICS.values():
            if metric.name == "gateway_metrics_left_out":
                over = {name: len(samples) - MOST_OF_A_METRIC for name, samples in self._of.items() if len(samples) > MOST_OF_A_METRIC}
                yield _family(metric, [Sample(metric.name, number, (name,)) for name, number in over.items()])
            else:
                yield _family(metric, self._of[metric.name])


def _family(metric: Metric, samples: list[Sample]) -> GaugeMetricFamily | CounterMetricFamily:
    """The smallest values are kept when there are too many: what ends first matters most."""
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    if len(samples) > MOST_OF_A_METRIC:
        samples = sorted(samples, key=lambda sample: sample.value)[:MOST_OF_A_METRIC]
    for sample in samples:
        family.add_metric([_label(text) for text in sample.labels], sample.value)
    return family


def _label(text: str) -> str:
    """Short, and without anything that a terminal or a page would obey (T-A7); quotes and backslashes are the format's own business."""
    return "".join(character if character.isprintable() else "?" for character in text[:LONGEST_LABEL])
