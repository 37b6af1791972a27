"""The emulator behind the local AWS: how ministack is started, and a list of what this project relies on in it.

`launcher` runs in ministack's own environment; the rest runs in the project's. Starting and stopping an instance is
local/aws.py's work.
"""
