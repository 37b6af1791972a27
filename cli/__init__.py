"""The `thingbridge` command: what an operator does with the things of a stack, one by one and by the thousand."""
