"""Every role is inside the boundary, and the boundary lets each role do what its policy says."""

from typing import Any

from groundplan.execution_policy import SERVICES, boundary_policy


def test_every_role_has_the_boundary(assembly: Any) -> None:
    roles = list(assembly.resources("AWS::IAM::Role"))
    assert roles
    for stack, logical_id, role in roles:
        arn = role["Properties"]["PermissionsBoundary"]
        assert str(arn).endswith(f":policy/{assembly.names.boundary()}"), f"{stack}/{logical_id}: {arn}"


def test_no_policy_asks_for_more_than_the_boundary_allows(assembly: Any, served: Any) -> None:
    document = boundary_policy(assembly.environment)
    allowed = [entry for entry in document["Statement"] if entry["Effect"] == "Allow"]
    asked: set[str] = set()
    of_serving = served.resources("AWS::IAM::ManagedPolicy")  # an environment without a release serves nothing
    for _, _, policy in (*assembly.resources("AWS::IAM::ManagedPolicy"), *of_serving):
        for entry in policy["Properties"]["PolicyDocument"]["Statement"]:
            if entry["Effect"] == "Deny":
                continue
            asked |= {entry["Action"]} if isinstance(entry["Action"], str) else set(entry["Action"])
    admitted = {action for entry in allowed for action in entry["Action"]}
    assert asked == admitted, "the boundary is what the roles need, neither less nor more"


def test_cloudformation_may_make_every_type_in_use(assembly: Any, served: Any) -> None:
    named = {"iam", "lambda", "ssm"}
    # where IAM calls a service otherwise than CloudFormation
    spelled = {
        "applicationautoscaling": "application-autoscaling",
        "cognito": "cognito-idp",
        "kinesisfirehose": "firehose",
        "stepfunctions": "states",
    }
    services = {
        resource["Type"].split("::")[1].lower()
        for template in (*assembly.templates.values(), *served.templates.values())
        for resource in template["Resources"].values()
        if not resource["Type"].startswith("Custom::")  # a function
    }
    assert {spelled.get(service, service) for service in services} - named <= set(SERVICES)


def test_what_is_read_from_another_stack_may_be_read(assembly: Any) -> None:
    from_others = [template for template in assembly.templates.values() if "Fn::GetStackOutput" in str(template)]
    assert from_others, "else the statement ReadOutputs can go"
