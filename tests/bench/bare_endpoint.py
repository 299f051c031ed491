"""Serves the pinned model of a repository by three calls of SageMaker's API, and waits until it is in service."""

import sys
import time
from pathlib import Path

from groundplan.environment import read_environment
from groundplan.release import read_release
from groundplan_operate.accounts import Accounts

NAME = "bare"
LONGEST_SECONDS = 60


def main(root: Path) -> None:
    """The machine and the container are those of the endpoint that the release made."""
    accounts = Accounts(root, read_environment(root, "local"))
    sagemaker = accounts.client("sagemaker", "ai")
    release = read_release(root, "digit-reader", accounts.environment)
    assert release, "nothing is released"
    served = sagemaker.describe_endpoint(EndpointName=accounts.names.endpoint("digit-reader"))["EndpointConfigName"]
    [variant] = sagemaker.describe_endpoint_config(EndpointConfigName=served)["ProductionVariants"]
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    sagemaker.create_model(
        ModelName=NAME, PrimaryContainer=model["PrimaryContainer"], ExecutionRoleArn=model["ExecutionRoleArn"]
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=NAME, ProductionVariants=[{**variant, "ModelName": NAME, "VariantName": NAME}]
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    until = time.monotonic() + LONGEST_SECONDS
    while (status := sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"]) == "Creating":
        if time.monotonic() > until:
            raise SystemExit(f"{NAME} was not in service within {LONGEST_SECONDS} seconds")
        time.sleep(0.1)
    if status != "InService":
        raise SystemExit(f"{NAME} is {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
