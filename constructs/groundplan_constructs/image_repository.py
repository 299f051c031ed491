"""The container images of one workload."""

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from constructs import Construct


class ImageRepository(Construct):
    """A repository with immutable tags, a scan on each push and the platform's key.

    Nothing expires: images are pinned by digest, and a pin must not dangle.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, repository_name: str, encryption_key: kms.IKey, retain: bool
    ) -> None:
        super().__init__(scope, construct_id)
        self.repository = ecr.Repository(
            self,
            "Resource",
            repository_name=repository_name,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=encryption_key,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else cdk.RemovalPolicy.DESTROY,
            empty_on_delete=not retain,
        )
