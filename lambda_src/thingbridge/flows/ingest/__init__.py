"""Ingest: how messages of The Things Stack reach AWS IoT.

`modes` lists the modes, each of which is configured in The Things Stack by its own module; `receiver` is the endpoint
to which The Things Stack posts in mode `webhook`, `authorizer` what admits it where it posts to AWS IoT itself.
"""
