"""Both sides' figures side by side: pure comparisons of sums that the adapters have read."""
