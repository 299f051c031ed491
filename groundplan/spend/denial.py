"""What an overspent account may not begin: new machines of any kind. What runs and what is read goes on."""

from typing import Any

from groundplan.job_limits import AUTOMATIC, JOBS, NOTEBOOK

_MACHINES = """CreateApp CreateCluster CreateEndpoint CreateInferenceComponent CreateTransformJob
    StartNotebookInstance StartPipelineExecution UpdateEndpoint UpdateEndpointWeightsAndCapacities""".split()
_MODELS = "CreateModelCustomizationJob CreateModelInvocationJob CreateProvisionedModelThroughput".split()
NEW_SPENDING = (
    *(f"sagemaker:{action}" for action in sorted([*JOBS, *AUTOMATIC, NOTEBOOK, *_MACHINES])),
    *(f"bedrock:{action}" for action in _MODELS),
)


def denial() -> dict[str, Any]:
    """The statement of the policy that AWS Budgets attaches."""
    return {"Sid": "NothingNew", "Effect": "Deny", "Action": list(NEW_SPENDING), "Resource": "*"}
