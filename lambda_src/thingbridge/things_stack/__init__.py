"""The HTTP API of The Things Stack: the only code that speaks to it."""
