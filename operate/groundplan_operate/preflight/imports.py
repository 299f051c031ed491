"""Whether what the company has already, and the environment uses, is there: network, keys, log buckets.

A boundary of the company's own is asked for among what bootstraps an account.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from groundplan.environment import AccountName
from groundplan.network import ExistingNetwork
from groundplan_operate.accounts import Accounts
from groundplan_operate.preflight.questions import Found, Question, Site

NOT_THERE = ("404", "NoSuchBucket", "NotFoundException")


def imports(site: Site) -> Iterator[Question]:
    """What the environment names under [existing_network] and [existing]; nothing when it names nothing."""
    accounts, environment = site.accounts, site.accounts.environment
    source = f"environments/{environment.name}.toml"
    if network := environment.existing_network:
        yield from _network(accounts, network, f"name another in existing_network of {source}")
    keys: tuple[tuple[str, AccountName, str | None], ...] = (
        ("ai_key_arn", "ai", environment.existing.ai_key_arn),
        ("data_key_arn", "data", environment.existing.data_key_arn),
    )
    for field, account, arn in keys:
        if arn:
            yield Question(
                "existing key",
                account,
                f"{arn}, enabled",
                f"name another as existing.{field} of {source}, or enable it",
                lambda account=account, arn=arn: _key(accounts.client("kms", account), arn),
            )
    buckets: tuple[tuple[str, AccountName, str | None], ...] = (
        ("ai_log_bucket", "ai", environment.existing.ai_log_bucket),
        ("data_log_bucket", "data", environment.existing.data_log_bucket),
    )
    for field, account, bucket in buckets:
        if bucket:
            yield Question(
                "existing log bucket",
                account,
                f"{bucket} in {environment.region}",
                f"name another as existing.{field} of {source}",
                lambda account=account, bucket=bucket: _bucket(accounts, account, bucket),
            )


def _network(accounts: Accounts, network: ExistingNetwork, remedy: str) -> Iterator[Question]:
    def ask(check: str, wanted: str, look: Any) -> Question:
        return Question(check, "ai", wanted, remedy, lambda: look(accounts.client("ec2", "ai"), network))

    yield ask("existing VPC", network.vpc_id, _vpc)
    yield ask("existing subnets", f"in {network.vpc_id}, in two zones or more", _subnets)
    yield ask("existing subnets' routes", "no way to an internet gateway", _routes)
    yield ask("existing security groups", f"in {network.vpc_id}", _groups)
    yield ask("existing endpoints", "one for S3, or SageMaker cannot read and write for its jobs", _endpoints)


def _vpc(ec2: Any, network: ExistingNetwork) -> Found:
    try:
        [vpc] = ec2.describe_vpcs(VpcIds=[network.vpc_id])["Vpcs"]
    except ClientError as error:
        return _absent(error, "InvalidVpcID.NotFound")
    return Found("ok" if vpc["State"] == "available" else "missing", str(vpc["State"]))


def _subnets(ec2: Any, network: ExistingNetwork) -> Found:
    try:
        subnets = ec2.describe_subnets(SubnetIds=list(network.subnet_ids))["Subnets"]
    except ClientError as error:
        return _absent(error, "InvalidSubnetID.NotFound")
    outside = [subnet["SubnetId"] for subnet in subnets if subnet["VpcId"] != network.vpc_id]
    if outside:
        return Found("missing", f"in another VPC: {', '.join(outside)}")
    zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    return Found("ok" if len(zones) > 1 else "missing", f"in {', '.join(zones)}")


def _routes(ec2: Any, network: ExistingNetwork) -> Found:
    """A subnet without a route table of its own has the VPC's main one."""
    pages = ec2.get_paginator("describe_route_tables").paginate(
        Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}]
    )
    open_to: dict[str, bool] = {}
    for table in (table for page in pages for table in page["RouteTables"]):
        public = any(route.get("GatewayId", "").startswith("igw-") for route in table["Routes"])
        for association in table["Associations"]:
            open_to["main" if association["Main"] else association.get("SubnetId", "")] = public
    if not open_to:
        return Found("missing", f"{network.vpc_id} has no route table")
    public = [subnet for subnet in network.subnet_ids if open_to.get(subnet, open_to.get("main", False))]
    return Found("missing", f"public: {', '.join(public)}") if public else Found("ok", "private")


def _groups(ec2: Any, network: ExistingNetwork) -> Found:
    try:
        groups = ec2.describe_security_groups(GroupIds=list(network.security_group_ids))["SecurityGroups"]
    except ClientError as error:
        return _absent(error, "InvalidGroup.NotFound")
    outside = [group["GroupId"] for group in groups if group["VpcId"] != network.vpc_id]
    return Found("missing", f"in another VPC: {', '.join(outside)}") if outside else Found("ok", "all there")


def _endpoints(ec2: Any, network: ExistingNetwork) -> Found:
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(
        Filters=[{"Name": "vpc-id", "Values": [network.vpc_id]}]
    )
    services = sorted(
        {endpoint["ServiceName"].split(".", 3)[-1] for page in pages for endpoint in page["VpcEndpoints"]}
    )
    return Found("ok" if "s3" in services else "missing", ", ".join(services) or "none")


def _key(kms: Any, arn: str) -> Found:
    try:
        state = kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        return _absent(error, *NOT_THERE)
    return Found("ok" if state == "Enabled" else "missing", str(state))


def _bucket(accounts: Accounts, account: AccountName, bucket: str) -> Found:
    number = accounts.environment.account_ids()[account]
    try:
        answer = accounts.client("s3", account).head_bucket(Bucket=bucket, ExpectedBucketOwner=number)
    except ClientError as error:
        return _absent(error, *NOT_THERE)
    region = str(answer.get("BucketRegion", "a region unknown"))
    return Found("ok" if region == accounts.environment.region else "missing", f"in {region}")


def _absent(error: ClientError, *codes: str) -> Found:
    if error.response["Error"]["Code"] not in codes:
        raise error
    return Found("missing", "not in this account and region")
