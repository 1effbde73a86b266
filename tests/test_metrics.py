"""The text of metrics: a closed list, bounded, and nothing that a label says can become a line of its own."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import LONGEST_LABEL, METRICS, MOST_OF_A_METRIC, Sample, exposition

CERTIFICATE = "gateway_certificate_expiry_seconds"


def read(text):
    """(name, labels) → value, as Prometheus's own parser reads it."""
    families = text_string_to_metric_families(text.decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_what_is_written_is_read():
    text = exposition(
        [
            Sample("gateway_customers", 2),
            Sample("gateway_reload_failures_total", 3),
            Sample("gateway_process_up", 1, ("vault",)),
            Sample(CERTIFICATE, -60.5, ("energie_nord", "import job", "ff01")),
        ]
    )
    assert read(text) == {
        ("gateway_customers", ()): 2,
        ("gateway_reload_failures_total", ()): 3,
        ("gateway_process_up", (("role", "vault"),)): 1,
        (CERTIFICATE, (("customer", "energie_nord"), ("label", "import job"), ("serial", "ff01"))): -60.5,
    }


def test_every_metric_says_its_kind_and_meaning_and_no_foreign_one_is_there():
    """The package's global registry would add what it likes of the process."""
    lines = exposition([]).decode().splitlines()
    for metric in METRICS.values():
        assert f"# HELP {metric.name} {metric.meaning}" in lines
        assert f"# TYPE {metric.name} {metric.kind}" in lines
    assert len(lines) == 2 * len(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_names_follow_the_conventions(metric):
    assert metric.name.startswith("gateway_")
    assert metric.name.endswith("_total") == (metric.kind == "counter")


@pytest.mark.parametrize(
    ("label", "read_as"),
    [
        ('a"b', 'a"b'),
        ("a\\b", "a\\b"),
        ('x"} 1\ngateway_customers 99', 'x"} 1?gateway_customers 99'),
        ("red\x1b[31m", "red?[31m"),
        ("right\u202eleft", "right?left"),
        ("Größe", "Größe"),
        ("m" * 100, "m" * LONGEST_LABEL),
    ],
)
def test_t_a7_a_label_stays_one_label(label, read_as):
    found = read(exposition([Sample(CERTIFICATE, 1, ("energie_nord", label, "1"))]))
    assert [dict(labels)["label"] for _, labels in found] == [read_as]


def test_there_is_a_bound_and_what_ends_first_is_kept():
    most = MOST_OF_A_METRIC + 5
    found = read(exposition(Sample(CERTIFICATE, most - number, ("c", "l", str(number))) for number in range(most)))
    kept = {value for (name, _), value in found.items() if name == CERTIFICATE}
    assert kept == set(range(1, MOST_OF_A_METRIC + 1))
    assert found["gateway_metrics_left_out", (("metric", CERTIFICATE),)] == 5


@pytest.mark.parametrize(
    ("sample", "error"), [(Sample("gateway_requests_total", 1), KeyError), (Sample("gateway_process_up", 1), ValueError)]
)
def test_what_is_not_listed_is_not_measured(sample, error):
    with pytest.raises(error):
        exposition([sample])
