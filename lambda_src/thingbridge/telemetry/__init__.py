"""What devices of one's own measure: the schema of their readings, their order, and levels of alert. No I/O."""
