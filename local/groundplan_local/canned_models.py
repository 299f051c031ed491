"""What the canned model says, and when it fails: by tags on the application inference profile that is invoked.

`embedded-aws:answers` is its answer to everything, in place of ministack's; `embedded-aws:fails` is the error that
Converse and ConverseStream end with, such as ThrottlingException, for as long as the tag is there.
"""

from typing import Any

from groundplan_local.joints import joint, mend

RUNTIME = "ministack.services.bedrock_runtime"
ANSWERS, FAILS = "embedded-aws:answers", "embedded-aws:fails"
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, Errors
STATUSES = {
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
}


def install() -> None:
    """Let both calls look at the tags first."""
    for name in ("_converse", "_converse_stream"):
        mend(RUNTIME, name, _failing(joint(RUNTIME, name)))
    reply = joint(RUNTIME, "_mock_reply")

    def answer(model_id: str, messages: Any, system: Any) -> str:
        return _tags(model_id).get(ANSWERS) or reply(model_id, messages, system)

    mend(RUNTIME, "_mock_reply", answer)


def _failing(call: Any) -> Any:
    def converse(model_id: str, headers: Any, body: Any) -> Any:
        if code := _tags(model_id).get(FAILS):
            say = joint("ministack.core.responses", "error_response_json")
            return say(code, f"as the tag {FAILS} of this profile asks", STATUSES.get(code, 500))
        return call(model_id, headers, body)

    return converse


def _tags(model_id: str) -> dict[str, str]:
    found: dict[str, str] = joint("ministack.services.bedrock", "_tags").get(model_id, {})
    return found
