"""Writes the matrix into docs/faults.md: `python -m tests.faults [SCENARIO …]`, all of them by default."""

import sys
import tempfile
from pathlib import Path

from local.aws import LocalAws
from local.things_stack import ThingsStack
from tests.conftest import leave_out_settings_of_the_person
from tests.faults import documentation, matrix
from tests.faults.deployment import deployment
from tests.faults.scenarios import SCENARIOS


def main(names: list[str]) -> int:
    """Returns the exit code: 1 if something is lost."""
    leave_out_settings_of_the_person()
    lost = []
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalAws(Path(directory)) as aws,
        ThingsStack(port=0, profile="hosted") as simulation,
        deployment(aws, simulation) as deployed,
    ):
        for scenario in SCENARIOS:
            if names and scenario.name not in names:
                continue
            cells = list(matrix.cells(deployed, scenario))
            lost += matrix.lost(cells)
            text = documentation.PAGE.read_text()
            written = documentation.sections(text) | {scenario.name: matrix.table(cells)}
            ordered = {each.name: written[each.name] for each in SCENARIOS if each.name in written}
            documentation.PAGE.write_text(documentation.with_sections(text, ordered))
            sys.stdout.write(f"{scenario.name}: {len(cells)} cells\n")
    sys.stdout.writelines(f"LOST {each}\n" for each in lost)
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
