"""From tables of runs to outcomes and statistics."""
