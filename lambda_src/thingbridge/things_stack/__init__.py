"""The only code that speaks HTTP to The Things Stack: one transport, one file per area of its API, one error tree.

Methods are named after the operations of the API. What takes several operations is in `flows`.
"""
