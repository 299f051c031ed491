"""`python -m groundplan.catalogue [ROOT]`: whether the catalogue is in order today. Exit status 0, or 2."""

import sys
from pathlib import Path

from groundplan.catalogue import read_catalogue
from groundplan.prices import today
from groundplan.refusal import BadInput


def main(root: Path) -> int:
    """Say what is wrong, a line each."""
    try:
        catalogue = read_catalogue(root)
        if catalogue and (findings := catalogue.ended(today())):
            raise BadInput(findings)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
