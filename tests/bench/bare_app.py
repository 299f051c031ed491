"""The rival: a bare CDK app of as many buckets as are asked for: `bare_app.py RESOURCES STACKS`."""

import sys

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

resources, stacks = int(sys.argv[1]), int(sys.argv[2])
app = cdk.App(analytics_reporting=False)
made = [cdk.Stack(app, f"Stack{index}") for index in range(stacks)]
for index in range(resources):
    s3.CfnBucket(made[index % stacks], f"Bucket{index}")
app.synth()
