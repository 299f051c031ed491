"""What an update replaces and yet must stay."""

import aws_cdk as cdk


def keep_replaced(resource: cdk.CfnResource) -> None:
    """Keep the old one when an update makes a new one; with its stack it goes."""
    resource.cfn_options.deletion_policy = cdk.CfnDeletionPolicy.DELETE
    resource.cfn_options.update_replace_policy = cdk.CfnDeletionPolicy.RETAIN
