"""Registry: keeps end devices in step with things. `things` handles events of things, `devices` devices without one."""
