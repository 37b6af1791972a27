"""The rules of LoRaWAN: identifiers, versions, payload encryption and key envelopes. Pure: no I/O, no clock."""
