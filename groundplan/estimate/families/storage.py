"""Buckets, tables, databases, files, images and the catalogue.

Sources: https://aws.amazon.com/s3/pricing/, https://aws.amazon.com/dynamodb/pricing/on-demand/,
https://aws.amazon.com/rds/pricing/, https://aws.amazon.com/ecr/pricing/, https://aws.amazon.com/glue/pricing/.
"""

from collections.abc import Iterator

from groundplan.estimate.charge import Charge, hourly, used
from groundplan.estimate.resource import Resource


def bucket(resource: Resource) -> Iterator[Charge]:
    """Storage and requests."""
    yield used("s3/standard/storage", "storage_gb", resource.usage("storage_gb"))
    yield used("s3/standard/put", "put_requests", resource.usage("put_requests"))
    yield used("s3/standard/get", "get_requests", resource.usage("get_requests"))


def table(resource: Resource) -> Iterator[Charge]:
    """Requests on demand or provisioned units, storage, and point-in-time recovery."""
    seldom = resource.text("TableClass", "STANDARD") == "STANDARD_INFREQUENT_ACCESS"
    table_class = "dynamodb/infrequent_access" if seldom else "dynamodb"
    replicas = max(1, len(resource.list("Replicas")))
    storage = resource.usage("storage_gb")
    if resource.text("BillingMode", "PROVISIONED") == "PROVISIONED" and resource.type == "AWS::DynamoDB::Table":
        for unit in ("Read", "Write"):
            count = resource.number(f"ProvisionedThroughput.{unit}CapacityUnits", 0)
            yield hourly(f"{table_class}/{unit.lower()}_capacity_unit", count)
    else:
        for unit in ("read_request", "write_request"):
            yield used(f"{table_class}/{unit}", f"{unit}s", resource.usage(f"{unit}s"))
    yield used(f"{table_class}/storage", "storage_gb", storage, replicas)
    recovery = "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"
    if resource.value(recovery) or resource.value(f"Replicas.0.{recovery}"):
        yield used("dynamodb/pitr", "storage_gb", storage, replicas, note="point-in-time recovery")


def repository(resource: Resource) -> Iterator[Charge]:
    """Storage of images."""
    yield used("ecr/storage", "storage_gb", resource.usage("storage_gb"))


def volume(resource: Resource) -> Iterator[Charge]:
    """Provisioned gigabytes."""
    size = resource.number("Size")
    yield Charge(f"ebs/{resource.text('VolumeType', 'gp2')}/storage", size, note=f"{size:f} GB")


def file_system(resource: Resource) -> Iterator[Charge]:
    """Stored gigabytes."""
    yield used("efs/standard/storage", "storage_gb", resource.usage("storage_gb"))


def database(resource: Resource) -> Iterator[Charge]:
    """An instance that runs all month, and its storage."""
    engine = resource.text("Engine", "unknown")
    zones = "multi-az" if resource.value("MultiAZ") in (True, "true") else "single-az"
    kind = resource.text("DBInstanceClass")
    if kind == "db.serverless":
        return
    yield hourly(f"rds/{engine}/{zones}/{kind}", 1, kind)
    size = resource.number("AllocatedStorage", 0)
    if size:
        yield Charge(f"rds/{zones}/{resource.text('StorageType', 'gp2')}/storage", size, note=f"{size:f} GB")


def cluster(resource: Resource) -> Iterator[Charge]:
    """Storage and, when serverless, at least its smallest capacity; its instances stand for themselves."""
    least = resource.number("ServerlessV2ScalingConfiguration.MinCapacity", 0)
    if least:
        yield hourly("aurora/acu", least, f"at least {least:f} capacity units")
    yield used("aurora/storage", "storage_gb", resource.usage("storage_gb"))


def cache(resource: Resource) -> Iterator[Charge]:
    """Nodes that run all month."""
    kind = resource.text("CacheNodeType")
    count = resource.number("NumCacheNodes", resource.number("NumCacheClusters", 1))
    yield hourly(f"elasticache/{resource.text('Engine', 'redis')}/{kind}", count, f"{count:f} x {kind}")


def search_domain(resource: Resource) -> Iterator[Charge]:
    """Data nodes and their volumes."""
    kind = resource.text("ClusterConfig.InstanceType", "m4.large.search")
    count = resource.number("ClusterConfig.InstanceCount", 1)
    yield hourly(f"opensearch/{kind}", count, f"{count:f} x {kind}")
    size = resource.number("EBSOptions.VolumeSize", 0)
    if size:
        yield Charge(f"opensearch/{resource.text('EBSOptions.VolumeType', 'gp2')}/storage", size * count)


def search_collection(resource: Resource) -> Iterator[Charge]:
    """At least half a unit each for indexing and search, twice with standby replicas.

    https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-scaling.html
    """
    units = 1 if resource.text("StandbyReplicas", "ENABLED") == "DISABLED" else 2
    yield hourly("opensearch/serverless/ocu", units, f"at least {units} OCU")
    yield used("opensearch/serverless/storage", "storage_gb", resource.usage("storage_gb"))


def vectors(resource: Resource) -> Iterator[Charge]:
    """Stored vectors."""
    yield used("s3vectors/storage", "storage_gb", resource.usage("storage_gb"))


def glue_job(resource: Resource) -> Iterator[Charge]:
    """Hours of data processing units, while it runs."""
    yield used("glue/dpu_hour", "dpu_hours", resource.usage("dpu_hours"))


def query(resource: Resource) -> Iterator[Charge]:
    """What queries scan."""
    yield used("athena/scanned", "scanned_tb", resource.usage("scanned_tb"))


def vault(resource: Resource) -> Iterator[Charge]:
    """Stored backups."""
    yield used("backup/storage", "storage_gb", resource.usage("storage_gb"))


CHARGED = {
    "AWS::Athena::WorkGroup": query,
    "AWS::Backup::BackupVault": vault,
    "AWS::DynamoDB::GlobalTable": table,
    "AWS::DynamoDB::Table": table,
    "AWS::EC2::Volume": volume,
    "AWS::ECR::Repository": repository,
    "AWS::EFS::FileSystem": file_system,
    "AWS::ElastiCache::CacheCluster": cache,
    "AWS::ElastiCache::ReplicationGroup": cache,
    "AWS::Glue::Crawler": glue_job,
    "AWS::Glue::Job": glue_job,
    "AWS::OpenSearchServerless::Collection": search_collection,
    "AWS::OpenSearchService::Domain": search_domain,
    "AWS::RDS::DBCluster": cluster,
    "AWS::RDS::DBInstance": database,
    "AWS::S3::Bucket": bucket,
    "AWS::S3Vectors::Index": vectors,
}

UNCHARGED = {
    "AWS::RDS::DBInstance": "charged as capacity units of its cluster: https://aws.amazon.com/rds/aurora/pricing/",
}
_CATALOGUE = "the first million objects and requests of the catalogue are free: https://aws.amazon.com/glue/pricing/"
_ACCESS = "access rules have no price: https://aws.amazon.com/s3/pricing/"
_SETTINGS = "settings of a database, charged with its instances: https://aws.amazon.com/rds/pricing/"
FREE = {
    "AWS::Athena::NamedQuery": "a saved text; what it scans is charged: https://aws.amazon.com/athena/pricing/",
    "AWS::Backup::BackupPlan": "the backups are charged in their vault: https://aws.amazon.com/backup/pricing/",
    "AWS::Backup::BackupSelection": "the backups are charged in their vault: https://aws.amazon.com/backup/pricing/",
    "AWS::ECR::RepositoryCreationTemplate": "a template; what it creates is charged",
    "AWS::ECR::PullThroughCacheRule": "the images it caches are charged in their repository",
    "AWS::EFS::AccessPoint": "charged with the file system: https://aws.amazon.com/efs/pricing/",
    "AWS::EFS::MountTarget": "charged with the file system: https://aws.amazon.com/efs/pricing/",
    "AWS::ElastiCache::SubnetGroup": _SETTINGS,
    "AWS::Glue::Database": _CATALOGUE,
    "AWS::Glue::Partition": _CATALOGUE,
    "AWS::Glue::SecurityConfiguration": _CATALOGUE,
    "AWS::Glue::Table": _CATALOGUE,
    "AWS::LakeFormation::DataLakeSettings": "permissions have no price: https://aws.amazon.com/lake-formation/pricing/",
    "AWS::LakeFormation::PrincipalPermissions": "permissions have no price: https://aws.amazon.com/lake-formation/pricing/",
    "AWS::LakeFormation::Resource": "permissions have no price: https://aws.amazon.com/lake-formation/pricing/",
    "AWS::LakeFormation::Tag": "permissions have no price: https://aws.amazon.com/lake-formation/pricing/",
    "AWS::LakeFormation::TagAssociation": "permissions have no price: https://aws.amazon.com/lake-formation/pricing/",
    "AWS::OpenSearchServerless::AccessPolicy": "charged with the collection",
    "AWS::OpenSearchServerless::SecurityPolicy": "charged with the collection",
    "AWS::RDS::DBClusterParameterGroup": _SETTINGS,
    "AWS::RDS::DBParameterGroup": _SETTINGS,
    "AWS::RDS::DBSubnetGroup": _SETTINGS,
    "AWS::S3::AccessPoint": _ACCESS,
    "AWS::S3::BucketPolicy": _ACCESS,
    "AWS::S3Vectors::VectorBucket": "its indexes are charged: https://aws.amazon.com/s3/pricing/",
    "AWS::S3Vectors::VectorBucketPolicy": _ACCESS,
}
