"""Quotas of the account, and how much of them is used: Service Quotas and CloudWatch, read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import code, translate_errors

PERIOD: Final = 60
"""Seconds of which each has a value: what is counted per minute is a rate of a sixtieth per second."""


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch, and how its values of a minute become one: `Maximum` or `Sum`."""

    namespace: str
    name: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Granted:
    """What the account may use, and the metric of AWS that shows what it does use; None if AWS has none."""

    value: float
    usage: Metric | None


class Quotas:
    """The quotas of an account and region. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def granted(self, service: str, quota: str) -> Granted | None:
        """What is granted, by AWS's codes (`iotcore`, `L-57AAC135`); None if Service Quotas has no value."""
        with translate_errors(f"read the quota {quota} of {service}"):
            try:
                found = self._clients("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=quota)["Quota"]
            except ClientError as error:
                if code(error) != "NoSuchResourceException":
                    raise
                return None
        usage = found.get("UsageMetric")
        return Granted(float(found["Value"]), _metric(usage) if usage else None)

    def peaks(self, metrics: Sequence[Metric], seconds: float) -> list[float]:
        """The highest value that each had in a minute of the last `seconds`, 0 without a value: one call for 500."""
        if not metrics:
            return []
        now, peaks = datetime.now(UTC), [0.0] * len(metrics)
        request: dict[str, Any] = {
            "MetricDataQueries": [_query(number, each) for number, each in enumerate(metrics)],
            "StartTime": now - timedelta(seconds=seconds),
            "EndTime": now,
        }
        with translate_errors("read metrics"):
            for page in self._clients("cloudwatch").get_paginator("get_metric_data").paginate(**request):
                for result in page["MetricDataResults"]:
                    number = int(result["Id"].removeprefix("m"))
                    peaks[number] = max(peaks[number], *result["Values"], 0.0)
        return peaks


def _metric(usage: Mapping[str, Any]) -> Metric:
    return Metric(
        usage["MetricNamespace"],
        usage["MetricName"],
        usage.get("MetricStatisticRecommendation", "Sum"),
        tuple(usage.get("MetricDimensions", {}).items()),
    )


def _query(number: int, metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    of = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": f"m{number}", "MetricStat": {"Metric": of, "Period": PERIOD, "Stat": metric.statistic}}
