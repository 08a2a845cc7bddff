"""The acceptance kit: what no emulator can say, asked of AWS itself in an account for trials."""
