"""What the DAGs share: running the `storepulse` command, telling somebody, and looking at data."""
