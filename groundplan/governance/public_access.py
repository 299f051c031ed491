"""Nothing is shown to the world: buckets, images, snapshots, functions, notebooks."""

from groundplan.governance.statements import Statement, deny

PUBLIC_ACLS = ("authenticated-read", "public-read", "public-read-write")
SHARING = (
    "ec2:DisableImageBlockPublicAccess",
    "ec2:DisableSnapshotBlockPublicAccess",
    "ec2:ModifyImageAttribute",
    "ec2:ModifySnapshotAttribute",
    "ecr-public:CreateRepository",
    "rds:ModifyDBClusterSnapshotAttribute",
    "rds:ModifyDBSnapshotAttribute",
    "s3:PutAccountPublicAccessBlock",
    "ssm:ModifyDocumentPermission",
)


def no_public_access(*, break_glass: str, deployment: str) -> list[Statement]:
    """`break_glass` and `deployment` are the role ARNs of those who may: in need, and CloudFormation's."""
    return [
        deny("NothingSharedWithTheWorld", SHARING, except_for=[break_glass]),
        # One permission to set and to lift the block: CloudFormation sets it on the buckets that it makes.
        deny("BucketsStayBlocked", ["s3:PutBucketPublicAccessBlock"], except_for=[break_glass, deployment]),
        deny(
            "NoPublicAcls",
            ["s3:CreateBucket", "s3:PutBucketAcl", "s3:PutObject", "s3:PutObjectAcl"],
            {"StringEquals": {"s3:x-amz-acl": list(PUBLIC_ACLS)}},
        ),
        deny(
            "NoOpenFunctionUrls",
            ["lambda:AddPermission", "lambda:CreateFunctionUrlConfig", "lambda:UpdateFunctionUrlConfig"],
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}},
        ),
        deny("NoFunctionsForEveryone", ["lambda:AddPermission"], {"StringEquals": {"lambda:Principal": "*"}}),
        deny(
            "NoStudiosMovedToTheInternet",
            ["sagemaker:UpdateDomain"],
            {"StringEquals": {"sagemaker:AppNetworkAccessType": "PublicInternetOnly"}},
        ),
    ]
