"""AWS behind methods that are named for the job: a source's account, and the control bucket."""
