"""The figures, one module a family, drawn from tables alone."""
