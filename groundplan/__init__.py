"""Decide: the pure rules that every other room shares. Importing this package imports nothing else."""
