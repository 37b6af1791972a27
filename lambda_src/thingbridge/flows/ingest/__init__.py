"""Ingest: how messages of The Things Stack reach AWS IoT.

`modes` lists the ways in, each of which is configured in The Things Stack by a module of its own; `receiver` takes what
The Things Stack posts in mode `webhook`.
"""
