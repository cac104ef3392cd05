"""Before the next run: what it would tell, and which one to do."""
