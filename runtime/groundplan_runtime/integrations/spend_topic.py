"""The topic on which people hear what is spent."""

from typing import Any, Protocol

from groundplan.spend.alarm import Alarm


class Teller(Protocol):
    """Where people hear of it."""

    def tell(self, alarm: Alarm) -> None: ...


class Topic:
    """A topic of SNS, whose readers are people."""

    def __init__(self, sns: Any, arn: str) -> None:
        self._sns, self._arn = sns, arn

    def tell(self, alarm: Alarm) -> None:
        """Publish; raises what boto3 raises."""
        self._sns.publish(TopicArn=self._arn, Subject=alarm.title, Message=alarm.text)
