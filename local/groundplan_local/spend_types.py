"""AWS Budgets: types of CloudFormation, and actions of budgets, which ministack lacks. Nothing is ever spent."""

import copy
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from groundplan_local.bridge import Answer, answer_error, answer_json
from groundplan_local.joints import account_and_region, joint
from groundplan_local.serving_types import Connect, Properties, Provisioned, ServingType

Document = dict[str, Any]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, list[str]]], Awaitable[Answer]]


class Budget(ServingType):
    """A budget with its notifications. A change makes it anew: its name is the template's."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        budget = copy.deepcopy(dict(properties["Budget"]))
        limit: Document = budget["BudgetLimit"]
        limit["Amount"] = str(limit["Amount"])
        notified = copy.deepcopy(list(properties.get("NotificationsWithSubscribers", [])))
        for one in notified:
            one["Notification"]["Threshold"] = float(one["Notification"]["Threshold"])
        request = {"Budget": budget, "NotificationsWithSubscribers": notified}
        tags = {"ResourceTags": list(properties.get("ResourceTags", []))}
        connect("budgets").create_budget(AccountId=account_and_region()[0], **request, **tags)
        return budget["BudgetName"], {}

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        self.delete(reference, old, connect)
        return self.create(new, connect)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        connect("budgets").delete_budget(AccountId=account_and_region()[0], BudgetName=reference)


class BudgetsAction(ServingType):
    """An action of a budget: kept and shown, never carried out."""

    def create(self, properties: Properties, connect: Connect) -> Provisioned:
        threshold = properties["ActionThreshold"]
        made = connect("budgets").create_budget_action(
            AccountId=account_and_region()[0],
            BudgetName=properties["BudgetName"],
            NotificationType=properties["NotificationType"],
            ActionType=properties["ActionType"],
            ActionThreshold={
                "ActionThresholdValue": float(threshold["Value"]),
                "ActionThresholdType": threshold["Type"],
            },
            Definition=properties["Definition"],
            ExecutionRoleArn=properties["ExecutionRoleArn"],
            ApprovalModel=properties.get("ApprovalModel", "MANUAL"),
            Subscribers=[
                {"SubscriptionType": one["Type"], "Address": one["Address"]} for one in properties["Subscribers"]
            ],
        )
        return f"{made['ActionId']}|{made['BudgetName']}", {"ActionId": made["ActionId"]}

    def update(self, reference: str, old: Properties, new: Properties, connect: Connect) -> Provisioned:
        self.delete(reference, old, connect)
        return self.create(new, connect)

    def delete(self, reference: str, properties: Properties, connect: Connect) -> None:
        del properties
        action, _, budget = reference.partition("|")
        connect("budgets").delete_budget_action(AccountId=account_and_region()[0], BudgetName=budget, ActionId=action)


SPEND_TYPES: dict[str, ServingType] = {
    "AWS::Budgets::Budget": Budget(),
    "AWS::Budgets::BudgetsAction": BudgetsAction(),
}


class BudgetActions:
    """The actions of every account's budgets, before ministack's own answers."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Document] = {}
        self._operations: dict[str, Callable[[Document], Answer]] = {
            "CreateBudgetAction": self._create,
            "DescribeBudgetAction": self._describe,
            "DeleteBudgetAction": self._delete,
        }

    def install(self) -> None:
        """In front of ministack's budgets."""
        handlers = joint("ministack.app", "SERVICE_HANDLERS")
        budgets: Handler = handlers["budgets"]

        async def handle(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
        ) -> Answer:
            operation = self._operations.get(headers.get("x-amz-target", "").partition(".")[2])
            if operation:
                return operation(json.loads(body))
            return await budgets(method, path, headers, body, query)

        handlers["budgets"] = handle

    def _create(self, asked: Document) -> Answer:
        identity = str(uuid.uuid4())
        self._kept[asked["AccountId"], identity] = {**asked, "ActionId": identity, "Status": "STANDBY"}
        return answer_json({name: asked[name] for name in ("AccountId", "BudgetName")} | {"ActionId": identity})

    def _describe(self, asked: Document) -> Answer:
        return self._answer(asked, self._kept.get(_key(asked)))

    def _delete(self, asked: Document) -> Answer:
        return self._answer(asked, self._kept.pop(_key(asked), None))

    def _answer(self, asked: Document, found: Mapping[str, Any] | None) -> Answer:
        if found is None:
            return answer_error("NotFoundException", f"{asked['BudgetName']} has no action {asked['ActionId']}")
        action = {name: value for name, value in found.items() if name != "AccountId"}
        return answer_json({"AccountId": asked["AccountId"], "BudgetName": asked["BudgetName"], "Action": action})


def _key(asked: Document) -> tuple[str, str]:
    return asked["AccountId"], asked["ActionId"]
