"""Which share of an endpoint's requests and answers is kept, and where."""

from dataclasses import dataclass

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker

_MODES = ("Input", "Output")


@dataclass(frozen=True, kw_only=True)
class Capture:
    """`percent` (1 to 100) of requests and answers, below `uri` (`s3://bucket/prefix`), whose lifecycle ends them.

    Source: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-endpoint.html
    """

    uri: str
    percent: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= 100:
            raise ValueError(f"percent must be 1 to 100, got {self.percent}; leave capture out to keep nothing")
        if not self.uri.startswith("s3://"):
            raise ValueError(f"uri must begin with s3://, got '{self.uri}'")

    def configuration(self, encryption_key: kms.IKey) -> sagemaker.CfnEndpointConfig.DataCaptureConfigProperty:
        """As CloudFormation takes it."""
        config = sagemaker.CfnEndpointConfig
        return config.DataCaptureConfigProperty(
            enable_capture=True,
            initial_sampling_percentage=self.percent,
            destination_s3_uri=self.uri,
            kms_key_id=encryption_key.key_arn,
            capture_options=[config.CaptureOptionProperty(capture_mode=mode) for mode in _MODES],
            capture_content_type_header=config.CaptureContentTypeHeaderProperty(
                csv_content_types=["text/csv"], json_content_types=["application/json", "application/jsonlines"]
            ),
        )
