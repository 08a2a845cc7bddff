"""A model of one account's export slot, and the strategies that drain it."""
