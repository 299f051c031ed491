"""The states of a training by state machine, in Amazon States Language with JSONata: prepare, claim, train, settle.

https://docs.aws.amazon.com/step-functions/latest/dg/connect-sagemaker.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from typing import Any

BUSY = ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"]
EVALUATED_WITHIN_DAYS = 14  # a model that nobody put before the gate is no failure
THROTTLED = "Lambda.TooManyRequestsException"


def training_states(partition: str, function: str) -> dict[str, Any]:
    """The definition; `function` is the ARN of the one that claims and settles (`handlers/launch_run.py`).

    The execution's input is what that function takes as `prepare`. Data that were prepared before, by the same code,
    are not prepared again; data that are not valid go into quarantine, and the execution fails with InvalidData. The
    very requests that the function answers go to SageMaker. Whatever comes of the training job, its claim is settled,
    and the execution fails if the job does. Then it waits for the gate: `groundplan verify`, whoever runs it, tells
    it the registered version, or that the model was stopped; no role in here may read the held-out set.
    """

    def launch(payload: dict[str, Any]) -> dict[str, Any]:
        # Asked twice for the same launch the function gives the same answer, so it may be tried again.
        again = {"IntervalSeconds": 2, "BackoffRate": 2, "JitterStrategy": "FULL"}
        return {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": payload},
            "Retry": [
                again | {"ErrorEquals": BUSY, "MaxAttempts": 3},
                again | {"ErrorEquals": [THROTTLED], "MaxAttempts": 8, "MaxDelaySeconds": 30},
            ],
        }

    failed: dict[str, Any] = {
        "ErrorEquals": ["States.ALL"],
        "Assign": {"failure": "{% $states.errorOutput %}"},
        "Next": "SettleFailed",
    }
    prepares = {
        "wish": "{% $wish %}",
        "training_job_name": "{% $preparation.TrainingJobName %}",
    }
    settle = {"claim": "{% $claim %}", "held": "{% $held %}"}
    return {
        "Comment": "Input: workload, inputs, spot, forced_reason, launch_id",
        "QueryLanguage": "JSONata",
        "StartAt": "LookForData",
        "States": {
            "LookForData": launch({"prepare": "{% $states.input %}"})
            | {
                "Assign": {
                    "wish": "{% $states.result.Payload.wish %}",
                    "preparation": "{% $states.result.Payload.request %}",
                },
                "Next": "IsPrepared",
            },
            "IsPrepared": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $preparation = null %}", "Next": "Claim"}],
                "Default": "Prepare",
            },
            "Prepare": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::sagemaker:createTrainingJob.sync",
                "Arguments": "{% $preparation %}",
                "Output": {"artefacts": "{% $states.result.ModelArtifacts.S3ModelArtifacts %}"},
                "Catch": [failed | {"Next": "Unprepared"}],
                "Next": "Prepared",
            },
            "Unprepared": launch({"unprepared": prepares | {"cause": "{% $failure.Cause %}"}}) | {"End": True},
            "Prepared": launch({"prepared": prepares | {"artefacts": "{% $states.input.artefacts %}"}})
            | {"Assign": {"wish": "{% $states.result.Payload.wish %}"}, "Next": "Claim"},
            "Claim": launch({"claim": "{% $wish %}"})
            | {
                "Assign": {
                    "claim": "{% $states.result.Payload.claim %}",
                    "held": "{% $states.result.Payload.held %}",
                },
                "Output": "{% $states.result.Payload.request %}",
                "Next": "Train",
            },
            "Train": {
                "Type": "Task",
                "Resource": f"arn:{partition}:states:::sagemaker:createTrainingJob.sync",
                "Arguments": "{% $states.input %}",
                "Output": {"training_job_name": "{% $states.result.TrainingJobName %}"},
                "Catch": [failed],
                "Next": "Settle",
            },
            "Settle": launch({"settle": settle}) | {"Output": "{% $states.input %}", "Next": "Evaluate"},
            "Evaluate": launch(
                {
                    "evaluate": {
                        "task_token": "{% $states.context.Task.Token %}",
                        "workload": "{% $wish.workload %}",
                        "training_job_name": "{% $states.input.training_job_name %}",
                    }
                }
            )
            | {
                "Resource": f"arn:{partition}:states:::lambda:invoke.waitForTaskToken",
                "TimeoutSeconds": EVALUATED_WITHIN_DAYS * 86400,
                "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "NotEvaluated"}],
                "Output": "{% $merge([$states.input, $states.result]) %}",
                "End": True,
            },
            "NotEvaluated": {"Type": "Succeed", "Output": {"model_package_arn": None}},
            "SettleFailed": launch({"settle": settle | {"failure": "{% $failure.Cause %}"}}) | {"Next": "Failed"},
            "Failed": {"Type": "Fail", "Error": "{% $failure.Error %}", "Cause": "{% $failure.Cause %}"},
        },
    }
