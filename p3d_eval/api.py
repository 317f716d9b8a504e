"""The Python interface: the command line's verbs as functions that compute and return."""
