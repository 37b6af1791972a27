"""Things and end devices: which belongs to which, and what makes one out of the other. Pure decisions."""
