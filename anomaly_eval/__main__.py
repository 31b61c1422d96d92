"""`python -m anomaly_eval` is `gmmseg-anomaly`."""

import sys

from anomaly_eval.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
