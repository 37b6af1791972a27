"""Devices with an identity of their own: registered, their access changed, deleted."""
