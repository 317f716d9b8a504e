"""Networks, their weights and their input specification."""
