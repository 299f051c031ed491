"""What tells of an attack, and what data cannot be read without, outlives whoever made it."""

from groundplan.governance.statements import Statement, deny, role

TRAILS = (
    "bedrock:DeleteModelInvocationLoggingConfiguration",
    "cloudtrail:DeleteEventDataStore",
    "cloudtrail:DeleteTrail",
    "cloudtrail:PutEventSelectors",
    "cloudtrail:StopEventDataStoreIngestion",
    "cloudtrail:StopLogging",
    "cloudtrail:UpdateTrail",
    "config:DeleteConfigurationRecorder",
    "config:DeleteDeliveryChannel",
    "config:DeleteRetentionConfiguration",
    "config:StopConfigurationRecorder",
    "guardduty:DeleteDetector",
    "guardduty:DeleteMembers",
    "guardduty:DisassociateFromAdministratorAccount",
    "guardduty:DisassociateMembers",
    "guardduty:StopMonitoringMembers",
    "guardduty:UpdateDetector",
)
# CloudFormation makes and changes these; nobody else does.
LOGS = (
    "ec2:DeleteFlowLogs",
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "logs:DeleteRetentionPolicy",
    "logs:DisassociateKmsKey",
    "logs:PutRetentionPolicy",
    "s3:PutBucketLogging",
)
KEYS = ("kms:DeleteImportedKeyMaterial", "kms:DisableKey", "kms:DisableKeyRotation", "kms:ScheduleKeyDeletion")
ROLE_CHANGES = (
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
)


def logs_and_keys(*, break_glass: str, deployment: str, logging: str) -> list[Statement]:
    """`break_glass`, `deployment` and `logging` are the role ARNs of those who may.

    In need, CloudFormation, and the function of a stack that turns the log of model invocations on.
    """
    return [
        deny("TrailsStayOn", TRAILS, except_for=[break_glass]),
        deny("LogsStay", LOGS, except_for=[break_glass, deployment]),
        deny(
            "InvocationsStayLogged",
            ["bedrock:PutModelInvocationLoggingConfiguration"],
            except_for=[break_glass, logging],
        ),
        deny("KeysStay", KEYS, except_for=[break_glass]),
        # Or an administrator of an account would make himself the exception. By the organisation's own roles only.
        deny(
            "BreakGlassStaysAsItIs",
            ROLE_CHANGES,
            resources=[break_glass],
            except_for=[break_glass, role("OrganizationAccountAccessRole"), role("stacksets-exec-*")],
        ),
    ]
