"""The gateway's stack: who gets in, what is written down of it, what the function may do."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from test_serving_alarms import MODES

from groundplan.gateway.meter import Metered
from groundplan_gateway.telemetry import metered

ROOT = Path(__file__).parents[2]


def only(assembly: Any, kind: str, beginning: str = "") -> Mapping[str, Any]:
    [found] = [
        one["Properties"]
        for stack, logical_id, one in assembly.resources(kind)
        if stack == "Gateway" and logical_id.startswith(beginning)
    ]
    return found


def test_whatever_the_path_a_token_of_the_pool_is_asked_for(assembly: Any) -> None:
    method = only(assembly, "AWS::ApiGateway::Method")
    [(_, authorizer_id, authorizer)] = assembly.resources("AWS::ApiGateway::Authorizer")
    [(_, pool_id, _)] = assembly.resources("AWS::Cognito::UserPool")
    assert (method["HttpMethod"], method["AuthorizationType"]) == ("ANY", "COGNITO_USER_POOLS")
    assert method["AuthorizerId"] == {"Ref": authorizer_id}
    assert authorizer["Properties"]["ProviderARNs"] == [{"Fn::GetAtt": [pool_id, "Arn"]}]
    assert only(assembly, "AWS::ApiGateway::Resource")["PathPart"] == "{proxy+}"


def test_answers_are_streamed_from_the_function_to_the_caller(assembly: Any) -> None:
    integration = only(assembly, "AWS::ApiGateway::Method")["Integration"]
    variables = only(assembly, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert integration["ResponseTransferMode"] == "STREAM"
    assert "/response-streaming-invocations" in json.dumps(integration["Uri"])
    assert variables["AWS_LWA_INVOKE_MODE"] == "response_stream"
    assert variables["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/bootstrap"
    assert "LambdaAdapterLayer" in json.dumps(only(assembly, "AWS::Lambda::Function")["Layers"])


def test_the_api_lets_through_what_its_workloads_are_asked_at_their_peak(assembly: Any) -> None:
    [settings] = only(assembly, "AWS::ApiGateway::Stage")["MethodSettings"]
    # Two tenants of a workload that is asked three times a second.
    assert (settings["ResourcePath"], settings["HttpMethod"], settings["ThrottlingRateLimit"]) == ("/*", "*", 6)


def test_nothing_that_was_said_and_no_token_is_in_the_logs(assembly: Any) -> None:
    stage = only(assembly, "AWS::ApiGateway::Stage")
    said = [value.removeprefix("$context.") for value in json.loads(stage["AccessLogSetting"]["Format"]).values()]
    assert not [name for name in said if any(word in name.lower() for word in ("body", "header", "query", "token"))]
    [settings] = stage["MethodSettings"]
    assert settings["DataTraceEnabled"] is False
    assert settings.get("LoggingLevel", "OFF") == "OFF"
    firewall = only(assembly, "AWS::WAFv2::LoggingConfiguration")
    assert firewall["RedactedFields"] == [{"SingleHeader": {"Name": "authorization"}}]
    rules = only(assembly, "AWS::WAFv2::WebACL")["Rules"]
    assert {rule["VisibilityConfig"]["SampledRequestsEnabled"] for rule in rules} == {False}


def test_the_logs_are_encrypted_and_end(assembly: Any) -> None:
    groups = [one["Properties"] for stack, _, one in assembly.resources("AWS::Logs::LogGroup") if stack == "Gateway"]
    assert len(groups) == 4  # the function's, the API's, the firewall's, that of the meter's delivery
    for group in groups:
        assert group["RetentionInDays"] == assembly.environment.log_retention_days
        assert group["KmsKeyId"]


def test_the_firewall_stands_before_the_stage_and_reads_no_prompts(assembly: Any) -> None:
    rules = {rule["Name"]: rule for rule in only(assembly, "AWS::WAFv2::WebACL")["Rules"]}
    assert rules["Rate"]["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    counted = {
        one["Name"]
        for rule in rules.values()
        for one in rule["Statement"].get("ManagedRuleGroupStatement", {}).get("RuleActionOverrides", ())
        if one["ActionToUse"] == {"Count": {}}
    }
    assert {"CrossSiteScripting_BODY", "SizeRestrictions_BODY", "Log4JRCE_BODY"} <= counted
    assert "stages" in json.dumps(only(assembly, "AWS::WAFv2::WebACLAssociation")["ResourceArn"])


def test_nobody_signs_up_or_chooses_his_tenant(assembly: Any) -> None:
    pool = only(assembly, "AWS::Cognito::UserPool")
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert only(assembly, "AWS::Cognito::UserPoolClient")["WriteAttributes"] == ["name"]


def test_there_is_a_group_for_each_feature(assembly: Any) -> None:
    groups = [one["Properties"]["GroupName"] for _, _, one in assembly.resources("AWS::Cognito::UserPoolGroup")]
    assert sorted(groups) == ["feature/agent-desk", "feature/help-page"]


def test_the_function_becomes_one_role_and_keeps_one_ledger(assembly: Any) -> None:
    role, names = only(assembly, "AWS::IAM::Role", "Answer"), assembly.names
    assert role["RoleName"] == names.gateway_role()
    statements = {
        one["Sid"]: one for one in only(assembly, "AWS::IAM::ManagedPolicy", "Answer")["PolicyDocument"]["Statement"]
    }
    assert set(statements) == {"WriteLogs", "UseKey", "BecomeModelsRole", "KeepTheLedger"}
    place = str(only(assembly, "AWS::Lambda::Function")["Environment"]["Variables"]["GROUNDPLAN_GATEWAY_PLACE"])
    assert "traces_url" not in place, "spans are sent where an environment says so"
    became = statements["BecomeModelsRole"]
    assert became["Resource"].endswith(f"{assembly.environment.accounts.ai}:role/{names.models_role()}")
    assert set(became["Condition"]["StringLike"]) == {"aws:RequestTag/tenant", "aws:RequestTag/feature"}


def test_the_ledgers_items_end_and_it_has_a_key_of_ours(assembly: Any) -> None:
    table = only(assembly, "AWS::DynamoDB::Table")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["SSESpecification"]["KMSMasterKeyId"]
    assert table.get("DeletionProtectionEnabled", False) is assembly.environment.retain_data


def test_what_api_gateway_refuses_itself_has_the_apis_own_shape(assembly: Any) -> None:
    refusals = [one["Properties"] for _, _, one in assembly.resources("AWS::ApiGateway::GatewayResponse")]
    kinds = {one["ResponseType"]: one["StatusCode"] for one in refusals}
    assert {"UNAUTHORIZED": "401", "THROTTLED": "429", "REQUEST_TOO_LARGE": "413"}.items() <= kinds.items()
    for one in refusals:
        template = one["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"said"')
        assert set(json.loads(template)["error"]) == {"message", "type", "param", "code"}


def test_what_lambda_takes_of_variables_is_not_exceeded(assembly: Any) -> None:
    """4 KB in all: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
    variables = only(assembly, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert len(json.dumps(variables)) < 4096


Seen = tuple[str, frozenset[str]]  # metric and the names of its dimensions
WATCHED = ("failing", "unanswered", "slow", "shut")


def written() -> set[Seen]:
    """What becomes metrics of the line that the application writes of a request."""
    line = metered(Metered(request_id="r", time="t", operation="chat", status=200), "shop")
    directives: Any = line["_aws"]
    for one in directives["CloudWatchMetrics"]:
        assert one["Namespace"] == "Groundplan/Gateway"
        assert all(isinstance(line[metric["Name"]], int | float) for metric in one["Metrics"])
        assert all(isinstance(line[name], str) for dimensions in one["Dimensions"] for name in dimensions)
    return {
        (metric["Name"], frozenset(dimensions))
        for one in directives["CloudWatchMetrics"]
        for dimensions in one["Dimensions"]
        for metric in one["Metrics"]
    }


def gateway_alarms(assembly: Any) -> dict[str, Mapping[str, Any]]:
    """Last word of its name to alarm; those of what carries the meter are in test_meter.py."""
    found = [
        one["Properties"] for stack, _, one in assembly.resources("AWS::CloudWatch::Alarm") if stack == "Gateway"
    ]
    return {
        one["AlarmName"].rpartition("-")[2]: one
        for one in found
        if one["AlarmName"].startswith(assembly.names.gateway())
    }


def drawn(assembly: Any) -> tuple[set[Seen], set[str]]:
    """What is drawn of the gateway's own metrics, and the names of API Gateway's."""
    body = only(assembly, "AWS::CloudWatch::Dashboard")["DashboardBody"]
    parts = body["Fn::Join"][1] if isinstance(body, dict) else [body]
    widgets = json.loads("".join(one if isinstance(one, str) else "known-later" for one in parts))["widgets"]
    own, others = set[Seen](), set[str]()
    for row in (row for widget in widgets for row in widget["properties"].get("metrics", ())):
        if isinstance(row[0], dict):
            found = re.fullmatch(
                r"SEARCH\('\{\"Groundplan/Gateway\",([a-z,]+)\} MetricName=\"(\w+)\" gateway=\"([\w-]+)\"', "
                r"'(Sum|p50|p99)', (60|3600)\)",
                row[0]["expression"],
            )
            assert found, row
            assert found[3] == assembly.names.gateway()
            own.add((found[2], frozenset(found[1].split(","))))
            continue
        given = [part for part in row if isinstance(part, str)]
        if given[0] == "Groundplan/Gateway":
            own.add((given[1], frozenset(given[2::2])))
            assert given[3] == assembly.names.gateway()
        else:
            assert (given[0], given[2::2]) == ("AWS/ApiGateway", ["ApiName", "Stage"])
            others.add(given[1])
    return own, others


def test_nothing_is_drawn_or_watched_that_the_application_does_not_write(assembly: Any) -> None:
    own, others = drawn(assembly)
    assert own <= written()
    assert others == {"Count", "4XXError", "5XXError"}
    for name, one in gateway_alarms(assembly).items():
        said = {dimension["Name"]: dimension["Value"] for dimension in one["Dimensions"]}
        if name == "unanswered":
            assert (one["Namespace"], said) == (
                "AWS/ApiGateway",
                {"ApiName": only(assembly, "AWS::ApiGateway::RestApi")["Name"], "Stage": "live"},
            )
            assert only(assembly, "AWS::ApiGateway::Stage")["StageName"] == "live"
        else:
            assert one["Namespace"] == "Groundplan/Gateway"
            assert (one["MetricName"], frozenset(said)) in written()
            assert said["gateway"] == place_of(assembly)["name"]


def test_nothing_is_written_that_is_neither_drawn_nor_watched(assembly: Any) -> None:
    """A metric that nobody looks at costs as much as one that somebody does."""
    watched = {
        (one["MetricName"], frozenset(dimension["Name"] for dimension in one["Dimensions"]))
        for one in gateway_alarms(assembly).values()
    }
    assert written() <= drawn(assembly)[0] | watched


def place_of(assembly: Any) -> Mapping[str, Any]:
    said = only(assembly, "AWS::Lambda::Function")["Environment"]["Variables"]["GROUNDPLAN_GATEWAY_PLACE"]
    parts = said["Fn::Join"][1] if isinstance(said, dict) else [said]
    return json.loads("".join(one if isinstance(one, str) else "known-later" for one in parts))


def test_each_way_of_not_answering_rings_and_silence_does_not(assembly: Any) -> None:
    watched = gateway_alarms(assembly)
    assert set(watched) == set(WATCHED)
    failing, unanswered, slow, shut = (watched[name] for name in WATCHED)
    share = ("Average", 0.05, "GreaterThanThreshold")
    for one in (failing, unanswered):
        assert (one["Statistic"], one["Threshold"], one["ComparisonOperator"]) == share
    assert (slow["ExtendedStatistic"], slow["Threshold"]) == ("p99", 25_200)  # nine tenths of 28 seconds
    assert {"Name": "operation", "Value": "chat"} in slow["Dimensions"]
    assert (shut["Statistic"], shut["Threshold"], shut["Period"]) == ("Sum", 0, 300)
    assert (shut["EvaluationPeriods"], shut["DatapointsToAlarm"]) == (3, 3)
    runbook = (ROOT / "docs/runbooks/gateway.md").read_text()
    for name, one in watched.items():
        assert one["TreatMissingData"] == "notBreaching", name
        assert f"`…-{name}`" in runbook
        assert one["AlarmDescription"].endswith("see docs/runbooks/gateway.md")


def test_alarms_are_heard_on_the_application_accounts_topic(assembly: Any) -> None:
    topics = {
        logical_id for stack, logical_id, _ in assembly.resources("AWS::SNS::Topic") if stack == "Spend-application"
    }
    for name, one in gateway_alarms(assembly).items():
        [action] = one["AlarmActions"]
        assert "Spend-application" in json.dumps(action), name
        assert any(topic in json.dumps(action) for topic in topics), name


def test_what_is_served_at_once_is_predicted_through_the_gateway_and_nothing_else(served: Any) -> None:
    """A component is asked by another name than its endpoint's, a queue and a job answer later."""
    [policy] = [
        one["Properties"]["PolicyDocument"]["Statement"]
        for stack, logical_id, one in served.resources("AWS::IAM::ManagedPolicy")
        if stack == "Generative" and logical_id.startswith("GatewayModels")
    ]
    [predict] = [one for one in policy if one.get("Sid") == "Predict"]
    at_once = [name for name, mode in MODES.items() if mode in ("real-time", "serverless")]
    beginning = f"{served.environment.region}:{served.environment.accounts.ai}:endpoint/"
    assert predict["Action"] == "sagemaker:InvokeEndpoint"
    assert sorted(arn.rpartition(":sagemaker:")[2] for arn in predict["Resource"]) == sorted(
        beginning + served.names.endpoint(name) for name in at_once
    )
    groups = {one["Properties"]["GroupName"] for _, _, one in served.resources("AWS::Cognito::UserPoolGroup")}
    assert {"feature/forms", "feature/web-checkout", "feature/office-scorer"} <= groups
    assert "feature/queued-scorer" not in groups


def test_without_an_endpoint_nobody_may_ask_for_predictions(assembly: Any) -> None:
    assert "sagemaker:InvokeEndpoint" not in json.dumps(assembly.templates["Generative"])
