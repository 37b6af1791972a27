"""What a comparison of both registries costs for 10,000, 100,000 and 1,000,000 devices."""
