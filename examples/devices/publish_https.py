"""A backend: one HTTPS request publishes a message, signed with the backend's AWS credentials.

    pip install boto3
    python publish_https.py farm/device/config/hall-3-probe '{"reporting_interval": 30}'

The credentials need iot:Publish on the topic. A device receives what is published on its `device/config` topic.
"""

import argparse
import os

import boto3

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("topic")
parser.add_argument("payload", help="the message, as it is")
given = parser.parse_args()

session = boto3.Session()
host = session.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
broker = session.client("iot-data", endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or f"https://{host}")
# POST /topics/<topic>?qos=1: the answer comes once the broker has the message.
broker.publish(topic=given.topic, qos=1, payload=given.payload.encode())
print("published on", given.topic)
