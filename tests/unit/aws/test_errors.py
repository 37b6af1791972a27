"""Errors of AWS in terms of this product's error tree."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from thingbridge.aws.errors import NotPermitted, translate_errors
from thingbridge.errors import Busy, Refused


def refused(status: int, code: str) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "DescribeThing")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (refused(429, "ThrottlingException"), Busy),
        (refused(400, "ThrottlingException"), Busy),
        (refused(429, "AnythingElse"), Busy),
        (refused(503, "ServiceUnavailableException"), Busy),
        (refused(500, "AnythingElse"), Busy),
        (refused(403, "AccessDeniedException"), NotPermitted),
        (refused(403, "ForbiddenException"), NotPermitted),
        (refused(400, "InvalidRequestException"), Refused),
        (refused(404, "ResourceNotFoundException"), Refused),
        (EndpointConnectionError(endpoint_url="https://iot.example.com"), Busy),
    ],
)
def test_errors_are_translated_and_name_the_operation(raised: Exception, error: type[Exception]) -> None:
    with pytest.raises(error, match="describe the thing barn: ") as caught, translate_errors("describe the thing barn"):
        raise raised
    assert caught.value.__cause__ is raised
