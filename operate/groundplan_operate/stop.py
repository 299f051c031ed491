"""`groundplan stop`: end the embedded AWS."""

import click

from groundplan_operate import embedded_aws
from groundplan_operate.options import repository


@click.command
def stop() -> None:
    """End the embedded AWS and everything in it; says so when it does not run."""
    click.echo(embedded_aws.stop(repository()))
