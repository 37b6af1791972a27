"""What happens, step by step: read, decide, act, record. One file per capability.

A flow gets its collaborators (adapters of `aws` and `things_stack`, other flows) as arguments and creates none of
them; `handlers.composition` wires them. What a flow decides, it asks the pure rooms.
"""
