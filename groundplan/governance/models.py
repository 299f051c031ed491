"""Nobody invokes a foundation model that is not approved, and nobody in the application account any."""

from groundplan.catalogue import Catalogue
from groundplan.catalogue.permissions import INVOKE_MODEL
from groundplan.governance.statements import Statement, deny


def approved_models(catalogue: Catalogue) -> Statement:
    """Every approved model wherever it answers, and its profiles; models of one's own as well are none of these.

    An application inference profile stands for a model that is judged beside it.
    """
    statement = deny("ApprovedModelsOnly", INVOKE_MODEL)
    del statement["Resource"]
    named = [f"foundation-model/{model.model_id}" for model in catalogue.models.values()]
    profiles = [f"inference-profile/{name}" for model in catalogue.models.values() for name in model.profiles]
    statement["NotResource"] = [
        *(f"arn:*:bedrock:*::{name}" for name in named),
        *(f"arn:*:bedrock:*:*:{name}" for name in (*profiles, "application-inference-profile/*")),
    ]
    return statement


def no_models_of_the_application(account: str) -> Statement:
    """The application account (12 digits) holds the way in; models are invoked in the ai account, by one role."""
    return deny("NoModelsOfTheApplication", INVOKE_MODEL, {"StringEquals": {"aws:PrincipalAccount": account}})
