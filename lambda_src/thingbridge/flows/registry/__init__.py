"""Registry: things and end devices are kept in step. `things` handles a thing's events, `devices` a device alone."""
