"""Thingbridge: what joins The Things Stack and AWS IoT Core.

Rooms: `lorawan`, `messaging` and `registry` decide (pure, no I/O); `things_stack` speaks HTTP to The Things
Stack; `aws_iot` speaks to AWS. The functions in `handlers` connect them.
"""
