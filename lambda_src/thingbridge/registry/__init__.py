"""Things and end devices: which belong together, and how one is derived from the other. Pure decisions."""
