"""The named shadow `lorawan` of a thing: its fields, limits, order and pace, and desired states. Pure decisions."""
