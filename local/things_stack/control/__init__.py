"""Control of a running simulation from another process: the server's side below /simulation/, and its client."""
