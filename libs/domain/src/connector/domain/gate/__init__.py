"""The gate's rules, purely: what may be called when, by whom, and what an answer teaches."""
