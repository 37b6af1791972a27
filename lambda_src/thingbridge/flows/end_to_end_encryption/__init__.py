"""End-to-end encryption, step by step: configured in The Things Stack, messages decrypted, downlinks encrypted.

Only `setup` works without `cryptography`, which comes in a layer of its own; the other modules import it. Which
payload is encrypted how is decided in `thingbridge.encryption`; queueing again after a join is in `flows.requeue`.
"""
