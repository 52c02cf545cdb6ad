"""What every vendor's sandbox shares: clock, faults, call log, control port and the server that runs them."""
