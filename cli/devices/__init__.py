"""The commands `thingbridge devices …`: devices with certificates of their own. What they call: `thingbridge.flows`."""
