"""Reading a source: due keys and scheduled jobs become records of `documents.<system>`."""
