"""The only code that speaks HTTP to The Things Stack: one transport, one file per area of its API, one error tree.

Methods are named after the API's own operations. What several operations achieve together is in `flows`.
"""
