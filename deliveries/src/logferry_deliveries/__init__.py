"""How a service works a standard queue off, and what becomes of a message that fails."""
