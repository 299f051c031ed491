"""Compose: one file a stack, one stack a deployable unit of one account."""
