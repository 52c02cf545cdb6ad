"""What a source document becomes: the mapper's use case, pure."""
