"""The functions' entry points, one file each: call one flow, return. `composition` builds the flows."""
