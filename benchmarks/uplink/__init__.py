"""What a warm uplink costs: ours against the plain way, in one run."""
