"""Desired state and the write protocol: how a target is brought to agree with its source, once and only once."""
