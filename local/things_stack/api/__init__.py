"""The HTTP API, served: requests are checked against `description`, authorized, and carried out by `handlers`."""
