"""The market roles and their decisions."""
