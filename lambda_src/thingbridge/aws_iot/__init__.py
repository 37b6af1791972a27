"""The AWS side of the bridge: the only code that speaks boto3."""
