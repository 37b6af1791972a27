"""The plain way to handle an uplink: search the thing, read its shadow, write it, publish. No state between calls.

The rights of the integration that Thingbridge replaces imply these calls; this is how most people would write them.
"""

import json
from typing import Any

import boto3


class PlainHandler:
    """Handles a message as a rule with `SELECT *` passes it on."""

    def __init__(self, stack_name: str) -> None:
        self._stack_name = stack_name
        self.registry = boto3.client("iot")
        self.data = boto3.client("iot-data")

    def __call__(self, message: dict[str, Any]) -> None:
        """Handle one uplink."""
        ids, uplink = message["end_device_ids"], message["uplink_message"]
        found = self.registry.list_things(attributeName="devEUI", attributeValue=ids["dev_eui"])["things"]
        name = next(each["thingName"] for each in found if each["attributes"]["stackName"] == self._stack_name)
        shadow = json.loads(self.data.get_thing_shadow(thingName=name, shadowName="lorawan")["payload"].read())
        state = shadow["state"]["reported"] | {
            "lastSeen": message["received_at"],
            "fCntUp": uplink.get("f_cnt", 0),
            "gateways": len(uplink["rx_metadata"]),
            "rssi": max(each["rssi"] for each in uplink["rx_metadata"]),
            "snr": max(each.get("snr", 0) for each in uplink["rx_metadata"]),
            "devAddr": ids["dev_addr"],
            "sessionID": uplink["session_key_id"],
        }
        document = json.dumps({"state": {"reported": state}})
        self.data.update_thing_shadow(thingName=name, shadowName="lorawan", payload=document)["payload"].read()
        self.data.publish(topic=f"lorawan/{name}/uplink", qos=1, payload=json.dumps(message))
