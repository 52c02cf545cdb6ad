"""Ports: what the core needs of the world, as Protocols. One port method is one transaction; none leaks one."""
