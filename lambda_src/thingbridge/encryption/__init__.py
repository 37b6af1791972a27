"""End-to-end encryption: sessions, and what is decrypted or encrypted how. Pure decisions on top of `lorawan`."""
