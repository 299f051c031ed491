"""What would lose data is said so that nobody can miss it."""

from groundplan_operate.diff import losses, warnings

# Lines of a real `cdk diff`, of a lake whose construct ids changed and of a table with another name.
DIFF = """\
Stack Platform (groundplan-local-Platform) (aws://222222222222/us-east-1)
There were no differences
Stack DataLake (groundplan-local-DataLake) (aws://444444444444/us-east-1)
Resources
[-] AWS::S3::Bucket Raw/Resource Raw2403193C destroy
[-] AWS::S3::BucketPolicy Raw/Resource/Policy RawPolicyB600695E destroy
[+] AWS::S3::Bucket RawX/Resource RawX3C0E8BA6
Stack Lineage (groundplan-local-Lineage) (aws://222222222222/us-east-1)
Resources
[~] AWS::DynamoDB::Table Store/Table StoreTable0CCFA19B replace
 └─ [~] TableName (requires replacement)
[~] AWS::Lambda::Function Record/Resource Record57145F6D
[~] AWS::KMS::Key Key/Resource KeyE447D366 may be replaced
"""


def test_what_holds_data_and_would_go_is_named_with_its_stack_and_fate() -> None:
    assert losses(DIFF.splitlines()) == [
        "destroy: DataLake/Raw/Resource (AWS::S3::Bucket)",
        "replace: Lineage/Store/Table (AWS::DynamoDB::Table)",
        "may be replaced: Lineage/Key/Resource (AWS::KMS::Key)",
    ]


def test_the_warning_counts_names_and_says_what_to_read() -> None:
    text = "\n".join(warnings(losses(DIFF.splitlines())))
    assert "DATA WOULD BE LOST: 3 resources" in text
    assert "docs/upgrades.md" in text


def test_a_harmless_change_is_no_warning() -> None:
    assert warnings(losses(["Stack A (b)", "[~] AWS::Lambda::Function F F1", "[+] AWS::S3::Bucket B B1"])) == []
