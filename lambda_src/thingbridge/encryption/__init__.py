"""End-to-end encryption: sessions, and which payloads are encrypted and how. Pure decisions on top of `lorawan`."""
