"""The messages that logferry services exchange: schemas, models, and how to read and write them."""
