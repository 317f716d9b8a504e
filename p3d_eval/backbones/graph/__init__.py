"""A network as a graph of operators for one batch shape, rewritten to run fast with the same results."""
