"""Messages between The Things Stack and the public topics: parsed, validated and translated. Pure decisions."""
