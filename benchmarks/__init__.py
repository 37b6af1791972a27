"""What the product costs, measured: one folder per question. Nothing here is needed to use it."""
