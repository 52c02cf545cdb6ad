"""The pure core: canonical documents and rules, flows, the sync state machine, and the ports to everything else."""
