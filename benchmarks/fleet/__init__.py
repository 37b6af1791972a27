"""How large a fleet can be: the product's own flows on a simulated account with AWS's quotas, on a simulated clock."""
