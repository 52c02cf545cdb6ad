"""console: the `connector` command."""
