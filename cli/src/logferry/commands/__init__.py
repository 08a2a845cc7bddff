"""The commands by what they are about: one function each, which prints and returns an exit code."""
