"""`thingbridge doctor`: what is wrong with a stack, and the fix. What is found at The Things Stack: flows/diagnosis."""
