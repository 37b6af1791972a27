"""The line from which CloudWatch extracts metrics."""

import json

import pytest

from thingbridge import metrics


def test_counts_are_metrics_of_the_stack(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.emit("farm", {"Seen": 3, "Failed": 0}, at=1.5)
    line = json.loads(capsys.readouterr().out)
    assert (line["StackName"], line["Seen"], line["Failed"]) == ("farm", 3, 0)
    assert line["_aws"] == {
        "Timestamp": 1500,
        "CloudWatchMetrics": [
            {
                "Namespace": "Thingbridge",
                "Dimensions": [["StackName"]],
                "Metrics": [{"Name": "Seen", "Unit": "Count"}, {"Name": "Failed", "Unit": "Count"}],
            }
        ],
    }
