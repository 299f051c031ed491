"""`python groundplan_training.pyz train.py`, or `python -m groundplan_training train.py`."""

import sys

from groundplan_training.entry_point import main

sys.exit(main(sys.argv[1:]))
