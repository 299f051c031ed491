"""What a caller is told when a request is not answered, in the shape of OpenAI's API.

https://github.com/openai/openai-python/blob/main/src/openai/_exceptions.py reads `error.message`, `type`, `param` and
`code`, and makes the exception from the status.
"""

from collections.abc import Mapping

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


class Problem(Exception):  # noqa: N818 - it names what happened, as DESIGN's words do
    """A request that is not answered.

    `message` never quotes what was sent. `retry_after_seconds` is said where waiting helps. `retried` says that a
    backend was called already: the caller's own client is then asked not to call again, or its retries would multiply
    those made here.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_seconds: int | None = None,
        retried: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.retry_after_seconds, self.retried = retry_after_seconds, retried
        self.attempts = 0  # calls of a backend that were made for it

    def body(self) -> dict[str, object]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> Mapping[str, str]:
        """`Retry-After`, and `x-should-retry`, which OpenAI's clients obey."""
        said: dict[str, str] = {}
        if self.retry_after_seconds is not None:
            said["retry-after"] = str(self.retry_after_seconds)
        if self.retried or (self.status in (409, 429) and self.retry_after_seconds is None):
            said["x-should-retry"] = "false"
        return said
