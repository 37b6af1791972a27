"""The commands `thingbridge failures …`: messages that the stack failed on. What they mean: `thingbridge.messaging`."""
