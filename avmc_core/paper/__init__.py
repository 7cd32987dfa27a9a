"""What the paper states, beside what comes out here: its claims, its label tables, its figures of
others."""
