"""What the platform's functions ask of an account. A test compares it with the templates.

Quotas: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

from collections.abc import Mapping

from groundplan.environment import AccountName, Environment

RUNTIME = "python3.14"
# Runs at once that are kept for functions, by account.
GATEWAY = 50  # so many requests are answered at once; also kept where no workload is on a foundation model yet
RESERVED: Mapping[AccountName, int] = {"application": 1 + GATEWAY, "ai": 16, "data": 14}
WITH_MLFLOW = 1  # more in the ai account, where the environment has MLflow
WITH_STOPPER = 1  # likewise where it stops what costs too much
LEFT_UNRESERVED = 100  # AWS refuses a reservation that leaves less


def reserved(environment: Environment) -> dict[AccountName, int]:
    """Runs at once that are kept for an environment's functions, by account."""
    more = (WITH_MLFLOW if environment.mlflow else 0) + (WITH_STOPPER if environment.budgets.stop != "off" else 0)
    data = RESERVED["data"] - (1 if environment.shared else 0)  # one tells what both cost
    return {**RESERVED, "ai": RESERVED["ai"] + more, "data": data}
