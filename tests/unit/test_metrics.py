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


def test_values_have_the_dimensions_and_the_unit_that_they_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    metrics.emit("farm", {"temperature": 21.5}, at=1.5, dimensions={"Device": "hall-3"}, unit="None")
    line = json.loads(capsys.readouterr().out)
    assert (line["StackName"], line["Device"], line["temperature"]) == ("farm", "hall-3", 21.5)
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert described["Dimensions"] == [["StackName", "Device"]]
    assert described["Metrics"] == [{"Name": "temperature", "Unit": "None"}]
