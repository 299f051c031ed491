"""The rules of the company that a platform keeps: IAM path, boundary, tags; and what exists already."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from groundplan.refusal import Disallowed
from groundplan.text import TagKey, TagValue, matching
from groundplan.toml_file import Values

PLATFORM_TAGS = ("workload", "environment", "owner", "cost-centre")
MOST_TAGS = 40  # AWS allows 50 on a resource; some are for those who make it


def _path(value: str) -> str:
    if len(value) > LONGEST_PATH:
        raise ValueError(f"allowed: at most {LONGEST_PATH} characters, so that every policy keeps within IAM's size")
    return value


LONGEST_PATH = 64
IamPath = Annotated[
    str,
    matching(r"/(?:[A-Za-z0-9_.,+=@-]+/)*", "allowed: / alone, or names between slashes such as /ai/platform/"),
    AfterValidator(_path),
]


class Conventions(Values):
    """What the company asks of every resource.

    `permissions_boundary` names a managed policy that stands in each account already, with its path and without a
    leading slash; without one the platform makes its own.
    """

    iam_path: IamPath = "/"
    permissions_boundary: (
        Annotated[
            str,
            matching(
                r"(?:[A-Za-z0-9_.,+=@-]+/)*[A-Za-z0-9_.,+=@-]{1,128}",
                "allowed: a policy's name, with its path before it and no slash first",
            ),
        ]
        | None
    ) = None
    mandatory_tags: Annotated[tuple[TagKey, ...], Field(strict=False)] = ()
    forbidden_tags: Annotated[tuple[TagKey, ...], Field(strict=False)] = ()
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=MOST_TAGS)] = Field(default={})

    @model_validator(mode="after")
    def _tags_keep_the_rules(self) -> "Conventions":
        carried = {*PLATFORM_TAGS, *self.tags}
        for key in self.tags:
            if key in PLATFORM_TAGS:
                allowed = "the platform sets this tag itself; allowed: other keys"
                raise Disallowed(key, allowed, field="conventions.tags")
        for key in self.mandatory_tags:
            if key not in carried:
                allowed = f"mandatory, and no resource carries it: write it below [conventions.tags] as {key} = …"
                raise Disallowed(key, allowed, field="conventions.mandatory_tags")
        for key in self.forbidden_tags:
            if key in PLATFORM_TAGS:
                allowed = "the platform knows its resources by this tag; it cannot be deployed where it is forbidden"
                raise Disallowed(key, allowed, field="conventions.forbidden_tags")
            if key in self.tags:
                allowed = "this tag is forbidden by conventions.forbidden_tags; remove it"
                raise Disallowed(key, allowed, field=f"conventions.tags.{key}")
        return self


KeyArn = Annotated[
    str,
    matching(
        r"arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/(?:mrk-)?[0-9a-f-]{32,36}",
        "allowed: the ARN of a KMS key (not of an alias)",
    ),
]
BucketName = Annotated[
    str, matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "allowed: the name of an S3 bucket, 3 to 63 characters")
]


class Existing(Values):
    """What the company has already, to be used rather than made. docs/adoption.md says what each must admit."""

    application_key_arn: KeyArn | None = None
    ai_key_arn: KeyArn | None = None
    data_key_arn: KeyArn | None = None
    ai_log_bucket: BucketName | None = None
    data_log_bucket: BucketName | None = None
