"""Build: the library of constructs, one a file, safe by default. Knows no stack and no environment file."""

from groundplan_constructs.access_log_bucket import AccessLogBucket
from groundplan_constructs.alarm_topic import AlarmTopic
from groundplan_constructs.catalogued_table import CataloguedTable, CataloguedTableProps
from groundplan_constructs.checkpoint_alarm import CheckpointAlarm
from groundplan_constructs.cost_ceilings import CostCeilings, CostCeilingsProps
from groundplan_constructs.dead_letter_queue import DeadLetterQueue
from groundplan_constructs.encrypted_bucket import EncryptedBucket, EncryptedBucketProps
from groundplan_constructs.encryption_key import EncryptionKey
from groundplan_constructs.flow_log import FlowLog, FlowLogProps
from groundplan_constructs.freshness_alarm import FreshnessAlarm
from groundplan_constructs.function_package import FunctionPackage
from groundplan_constructs.iam_path import keep_iam_path
from groundplan_constructs.image_build import ImageBuild, ImageBuildProps
from groundplan_constructs.image_repository import ImageRepository
from groundplan_constructs.isolated_network import IsolatedNetwork, IsolatedNetworkProps
from groundplan_constructs.lineage_store import LineageStore, LineageStoreProps
from groundplan_constructs.mlflow_server import MlflowServer, MlflowServerProps
from groundplan_constructs.permissions import Permissions
from groundplan_constructs.python_function import PythonFunction, PythonFunctionProps
from groundplan_constructs.training_machine import TrainingMachine, TrainingMachineProps
from groundplan_constructs.training_role import TrainingRole, TrainingRoleProps

__all__ = [
    "AccessLogBucket",
    "AlarmTopic",
    "CataloguedTable",
    "CataloguedTableProps",
    "CheckpointAlarm",
    "CostCeilings",
    "CostCeilingsProps",
    "DeadLetterQueue",
    "EncryptedBucket",
    "EncryptedBucketProps",
    "EncryptionKey",
    "FlowLog",
    "FlowLogProps",
    "FreshnessAlarm",
    "FunctionPackage",
    "ImageBuild",
    "ImageBuildProps",
    "ImageRepository",
    "IsolatedNetwork",
    "IsolatedNetworkProps",
    "LineageStore",
    "LineageStoreProps",
    "MlflowServer",
    "MlflowServerProps",
    "Permissions",
    "PythonFunction",
    "PythonFunctionProps",
    "TrainingMachine",
    "TrainingMachineProps",
    "TrainingRole",
    "TrainingRoleProps",
    "keep_iam_path",
]
