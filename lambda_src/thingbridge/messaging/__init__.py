"""Messages between The Things Stack and the public topics: what each one becomes. Pure decisions."""
