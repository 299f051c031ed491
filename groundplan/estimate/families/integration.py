"""Queues, topics, events, state machines, and what holds a deployment together.

Sources: https://aws.amazon.com/sqs/pricing/, https://aws.amazon.com/sns/pricing/,
https://aws.amazon.com/eventbridge/pricing/, https://aws.amazon.com/step-functions/pricing/,
https://aws.amazon.com/firehose/pricing/.
"""

from collections.abc import Iterator

from groundplan.estimate.charge import Charge, hourly, monthly, used
from groundplan.estimate.resource import NotLiteral, Resource

_PROCESSORS = "ExtendedS3DestinationConfiguration.ProcessingConfiguration.Processors"


def queue(resource: Resource) -> Iterator[Charge]:
    """Requests."""
    yield used("sqs/request", "messages", resource.usage("messages"))


def topic(resource: Resource) -> Iterator[Charge]:
    """Requests."""
    yield used("sns/request", "messages", resource.usage("messages"))


def bus(resource: Resource) -> Iterator[Charge]:
    """Events of one's own; AWS's are free."""
    yield used("eventbridge/custom_event", "events", resource.usage("events"))


def schedule(resource: Resource) -> Iterator[Charge]:
    """Invocations."""
    yield used("eventbridge/scheduler_invocation", "invocations", resource.usage("invocations"))


def state_machine(resource: Resource) -> Iterator[Charge]:
    """Transitions of a standard one, requests and GB-seconds of an express one."""
    if resource.text("StateMachineType", "STANDARD") == "EXPRESS":
        yield used("stepfunctions/express/request", "executions", resource.usage("executions"))
        yield used("stepfunctions/express/duration", "gb_seconds", resource.usage("gb_seconds"))
    else:
        yield used("stepfunctions/standard/transition", "transitions", resource.usage("transitions"))


def nested(resource: Resource) -> Iterator[Charge]:
    """What it holds, which is estimated by itself where its template is at hand."""
    if resource.stack.nested_template(resource.raw) is None:
        raise NotLiteral("TemplateURL")
    yield from ()


def stream(resource: Resource) -> Iterator[Charge]:
    """Shards by the hour, and what is put in."""
    if resource.value("StreamModeDetails.StreamMode") == "ON_DEMAND":
        yield hourly("kinesis/on_demand_stream")
    else:
        yield hourly("kinesis/shard", resource.number("ShardCount", 1))
    yield used("kinesis/data", "data_gb", resource.usage("data_gb"))


def delivery(resource: Resource) -> Iterator[Charge]:
    """What is delivered, and unpacked of what CloudWatch Logs sends."""
    yield used("firehose/ingested", "data_gb", resource.usage("data_gb"))
    processors = resource.list(_PROCESSORS)
    if any(resource.text(f"{_PROCESSORS}.{index}.Type") == "Decompression" for index in range(len(processors))):
        yield used("firehose/decompressed", "data_gb", resource.usage("data_gb"))


def archive(resource: Resource) -> Iterator[Charge]:
    """What is archived, and kept."""
    yield used("eventbridge/archived", "data_gb", resource.usage("data_gb"))
    yield used("eventbridge/archive_storage", "storage_gb", resource.usage("storage_gb"))


def pipe(resource: Resource) -> Iterator[Charge]:
    """Requests."""
    yield used("eventbridge/pipe_request", "messages", resource.usage("messages"))


def delivery_pipeline(_: Resource) -> Iterator[Charge]:
    """A pipeline that is active."""
    yield monthly("codepipeline/active_pipeline")


CHARGED = {
    "AWS::CloudFormation::Stack": nested,
    "AWS::CodePipeline::Pipeline": delivery_pipeline,
    "AWS::Events::Archive": archive,
    "AWS::Events::EventBus": bus,
    "AWS::Kinesis::Stream": stream,
    "AWS::KinesisFirehose::DeliveryStream": delivery,
    "AWS::Pipes::Pipe": pipe,
    "AWS::SNS::Topic": topic,
    "AWS::SQS::Queue": queue,
    "AWS::Scheduler::Schedule": schedule,
    "AWS::StepFunctions::StateMachine": state_machine,
}

UNCHARGED = {
    "AWS::CloudFormation::Stack": "what it holds is charged: https://aws.amazon.com/cloudformation/pricing/",
}
_EVENTS = "rules and events of AWS services are free: https://aws.amazon.com/eventbridge/pricing/"
_CLOUDFORMATION = "resource types of AWS have no charge: https://aws.amazon.com/cloudformation/pricing/"
FREE = {
    "AWS::CDK::Metadata": "says what made the template, and makes nothing",
    "AWS::CloudFormation::CustomResource": "the function behind it is charged: " + _CLOUDFORMATION,
    "AWS::CloudFormation::WaitCondition": _CLOUDFORMATION,
    "AWS::CloudFormation::WaitConditionHandle": _CLOUDFORMATION,
    "AWS::CodeDeploy::Application": "deployments to functions and tasks are free: https://aws.amazon.com/codedeploy/pricing/",
    "AWS::CodeDeploy::DeploymentConfig": "deployments to functions and tasks are free: https://aws.amazon.com/codedeploy/pricing/",
    "AWS::CodeDeploy::DeploymentGroup": "deployments to functions and tasks are free: https://aws.amazon.com/codedeploy/pricing/",
    "AWS::CodeStarConnections::Connection": "a connection has no price; what uses it is charged",
    "AWS::Events::ApiDestination": _EVENTS,
    "AWS::Events::Connection": _EVENTS,
    "AWS::Events::EventBusPolicy": _EVENTS,
    "AWS::Events::Rule": _EVENTS,
    "AWS::ResourceGroups::Group": "resource groups have no charge: https://docs.aws.amazon.com/ARG/latest/userguide/",
    "AWS::SNS::Subscription": "deliveries to functions and queues are free, others are charged at the topic: "
    "https://aws.amazon.com/sns/pricing/",
    "AWS::SNS::TopicPolicy": "charged with the topic: https://aws.amazon.com/sns/pricing/",
    "AWS::SQS::QueuePolicy": "charged with the queue: https://aws.amazon.com/sqs/pricing/",
    "AWS::Scheduler::ScheduleGroup": _EVENTS,
    "AWS::StepFunctions::StateMachineAlias": "charged with the state machine: https://aws.amazon.com/step-functions/pricing/",
    "AWS::StepFunctions::StateMachineVersion": "charged with the state machine: https://aws.amazon.com/step-functions/pricing/",
}
