"""The frequency plans of the cluster, as every cluster host lists them."""

from __future__ import annotations

from local.things_stack.api.call import Call, Handler
from local.things_stack.description.proto3_json import Json
from local.things_stack.network import frequency_plans


def list_frequency_plans(call: Call) -> Json:
    return {"frequency_plans": frequency_plans.describe(call.query.get("band_id"), call.query.get("base_frequency"))}


HANDLERS: dict[str, Handler] = {"Configuration_ListFrequencyPlans": list_frequency_plans}
