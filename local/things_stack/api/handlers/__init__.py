"""What each operation of the API does, one file per area. Handlers get a `Call` and answer with JSON."""
