"""Before the next run: what each would tell, and which to do."""
