"""What a running service shows of itself: logs, metrics, health and traces."""
