"""Creating, finding, running and describing sweeps."""
