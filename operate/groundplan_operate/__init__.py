"""Operate: the `groundplan` command; one module a verb. Talks to a deployed platform."""
