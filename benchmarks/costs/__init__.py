"""What a million uplinks cost on AWS: an applied stack, counted by the meter, in each mode."""
