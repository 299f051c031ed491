"""Records what AWS's own launcher, the package `sagemaker-training`, shows a script: the oracle of a test.

    python tests/kit/record_oracle.py > tests/kit/sagemaker-training-5.1.4.json

The package brings 320 MB and is compiled at installation, so it is not among what the tests need.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "sagemaker-training==5.1.4"
CONFIGURATION = {
    "hyperparameters": {
        "epochs": "3",
        "learning-rate": "0.1",
        "optimiser": "adam",
        "flag": "true",
        "layers": "[1, 2]",
        "quoted": '"x y"',
        "v": "1",
        "nothing": "null",
        "nested": '{"b": 1, "a": "z"}',
    },
    "resourceconfig": {
        "current_host": "algo-2",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": "ml.m5.large",
                "hosts": ["algo-1", "algo-2"],
            }
        ],
        "network_interface_name": "eth0",
    },
    "inputdataconfig": {
        "code": {"TrainingInputMode": "File"},
        "train": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"},
    },
}
SCRIPT = "import json, os, sys\nprint('SEEN', json.dumps([dict(os.environ), sys.argv[1:]]))\n"


def main() -> None:
    """Install the launcher in a folder of its own, let it start a script, print what the script saw."""
    with tempfile.TemporaryDirectory() as folder:
        virtual, base = Path(folder) / "venv", Path(folder) / "ml"
        subprocess.run([sys.executable, "-m", "venv", virtual], check=True)
        subprocess.run([virtual / "bin/pip", "install", "--quiet", PACKAGE], check=True, stdout=sys.stderr)
        for place in ("input/config", "input/data/code", "input/data/train", "model", "output/data", "code"):
            (base / place).mkdir(parents=True)
        (base / "input/data/code/train.py").write_text(SCRIPT)
        own = {
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(str(base / "input/data/code")),
        }
        for name, document in CONFIGURATION.items():
            given = document | own if name == "hyperparameters" else document
            (base / f"input/config/{name}.json").write_text(json.dumps(given))
        environment = {
            "PATH": f"{virtual}/bin:{os.environ['PATH']}",
            "HOME": folder,
            "SAGEMAKER_BASE_DIR": str(base),
            "SM_STUDIO_LOCAL_MODE": "true",
            "TRAINING_JOB_NAME": "job-1",
        }
        done = subprocess.run([virtual / "bin/train"], env=environment, capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN ")]
        seen, arguments = json.loads(line.removeprefix("SEEN "))
        shown = {
            name: value.replace(str(base), "BASE")
            for name, value in seen.items()
            if name.startswith("SM_") and name not in environment
        }
    told = {"package": PACKAGE, "configuration": CONFIGURATION, "environment": shown, "arguments": arguments}
    print(json.dumps(told, indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
