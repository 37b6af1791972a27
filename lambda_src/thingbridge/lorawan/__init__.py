"""LoRaWAN's own rules: identifiers and versions. Pure: no I/O, no clock."""
