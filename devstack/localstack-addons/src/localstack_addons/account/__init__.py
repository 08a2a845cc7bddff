"""What an account may use: Regions, and how much of it."""
