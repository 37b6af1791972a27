"""The HTTP API that The Things Stack publishes, as data: messages, operations, rights, errors, field masks."""
