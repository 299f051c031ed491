"""Mutations that no assertion notices, and why nothing is lost by them. A pattern of mutation ids to its reason."""

_SERVING = "Only what serves a release needs it, and here is none: test_boundary.py asks it of the serving stacks."
_METER = "The condition on aws:PrincipalArn names the one role of the application account again."
EXPLAINED = {
    "execution:* | PassRoles | widen action to iam:[*]": (
        "The key iam:PassedToService comes with iam:PassRole alone, so the condition lets no other action through. "
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html"
    ),
    "resource:DataLake/* | [TE]*Decrypts | widen principal to [*]": (
        "The condition on aws:PrincipalArn names the ai account again; across accounts its own policies decide too."
    ),
    "resource:DataLake/* | [TE]*sItsWorkload | widen principal to [*]": (
        "The condition on aws:PrincipalArn names the ai account again; across accounts its own policies decide too."
    ),
    "resource:DataLake/Key* | EvaluationDecrypts | drop condition Null aws:PrincipalTag/workload": (
        "Without the tag the bucket's policy lets nobody read what could be decrypted."
    ),
    "resource:DataLake/*Policy* | [TE]*sItsWorkload | drop condition Null aws:PrincipalTag/workload": (
        "Without the tag the variable in resource and prefix has no value, and matches nothing."
    ),
    "resource:DataLake/*Policy* | *ListsItsWorkload | widen resource to [*]": (
        "s3:ListBucket is asked of buckets alone, and the policy speaks of its own bucket alone."
    ),
    "identity:Network/JobGuard* | WithoutOutputKey | *": (
        "OtherOutputKeys denies it as well: a negated comparison holds for a key that is absent."
    ),
    "resource:*/AccessLogsPolicy* | AccessLogs | widen resource to [*]": (
        "s3:PutObject is asked of objects alone, and the policy speaks of its own bucket alone."
    ),
    "boundary | DenySpending | widen resource to [*]": (
        "Policies are attached to roles alone, and it admits any role."
    ),
    "resource:CostReport/CostsPolicy* | Exports* | drop condition *": (
        "aws:SourceArn names the account as well as aws:SourceAccount does: either is enough."
    ),
    "resource:CostReport/CostsPolicy* | Exports*Policy | widen resource to [*]": (
        "s3:GetBucketPolicy is asked of buckets alone, and the policy speaks of its own bucket alone."
    ),
    "resource:*/* | PlatformUse | widen principal to [*]": (
        "The condition on aws:PrincipalArn names the observer's role in the ai account again."
    ),
    "boundary | ModelsRole | drop condition ArnEquals aws:PrincipalArn": (
        "The models' role trusts the gateway's role alone, in whose policy the same stands."
    ),
    "boundary | ModelsRole | widen action to sts:[*]": (
        "The models' role lets itself be assumed and tagged, and nothing else of STS is asked of a role."
    ),
    "boundary | ModelsRole | widen resource to [*]": (
        "A role is assumed only where its trust says so, and no other role trusts the gateway's."
    ),
    "trust:Generative/GatewayModels* | 0 | widen principal to [*]": (
        "The condition on aws:PrincipalArn names the gateway's role in the application account again."
    ),
    "identity:Generative/GatewayModels* | Invoke* | drop condition StringEquals bedrock:GuardrailIdentifier": (
        "OnlyUnderTheGuardrail denies the same."
    ),
    "identity:Generative/GatewayModels* | OnlyUnderTheGuardrail | drop *": (
        "What allows asks for the guardrail as well; this holds should another policy allow without."
    ),
    "resource:DataLake/Key* | MeterEncrypts | widen principal to [*]": _METER,
    "resource:Meter/RequestsPolicy* | * | widen principal to [*]": _METER,
    "resource:Meter/RequestsPolicy* | FindBucket | widen resource to [*]": (
        "What it allows is asked of buckets alone, and the policy speaks of its own bucket alone."
    ),
    "resource:Generative/InvocationLogBucketPolicy* | Invocations | drop condition *": (
        "Account and source each name the ai account: either alone keeps Bedrock from writing for another."
    ),
    "resource:Generative/InvocationLogBucketPolicy* | Invocations | widen resource to [*]": (
        "s3:PutObject is asked of objects alone, and the policy speaks of its own bucket alone."
    ),
    "boundary | AtMost | drop action s*:*Transform*": _SERVING,
    "boundary | AtMost | drop action states:StartExecution": _SERVING,
    "boundary | AtMost | drop action sagemaker:InvokeEndpoint": (
        "Only where a release serves at once may the gateway ask it, and here is none: test_gateway_stack.py has one."
    ),
    "execution:* | Services | drop action application-autoscaling:[*]": _SERVING,
}
