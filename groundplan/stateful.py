"""The types of resources that hold data: what replaces or destroys one of them loses what is in it."""

STATEFUL: tuple[str, ...] = (
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::Glue::Database",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SQS::Queue",
)
