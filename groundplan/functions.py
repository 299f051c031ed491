"""What the platform's functions ask of an account. A test compares it with the templates.

Quotas: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from collections.abc import Mapping

from groundplan.environment import AccountName, Environment

RUNTIME = "python3.14"
RESERVED: Mapping[AccountName, int] = {"ai": 13, "data": 10}  # runs at once that are kept for functions, by account
WITH_MLFLOW = 1  # more in the ai account, where the environment has MLflow
LEFT_UNRESERVED = 100  # AWS refuses a reservation that leaves less


def reserved(environment: Environment) -> dict[AccountName, int]:
    """Runs at once that are kept for an environment's functions, by account."""
    return {**RESERVED, "ai": RESERVED["ai"] + (WITH_MLFLOW if environment.mlflow else 0)}
