"""The HTTP API, served: requests are checked against `description`, authorised, and carried out by `handlers`."""
