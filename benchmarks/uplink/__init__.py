"""What a warm uplink costs: our handler compared with the plain way, in one run."""
