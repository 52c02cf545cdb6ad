"""The pure core: canonical documents and their rules, flows, the sync state machine, and the ports to everything else."""
