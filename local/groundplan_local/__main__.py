"""`python -m groundplan_local`: the embedded AWS on this machine."""

from groundplan_local.cli import main

main(prog_name="python -m groundplan_local")
