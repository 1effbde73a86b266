"""What `make lock` locks beside the run-time dependencies, read from pyproject.toml, which stays the single place.

Belongs here: turning its tables into lines for pip-compile. Never may: a name or a version of a package.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))


def lines(which: str) -> list[str]:
    if which == "build":
        return list(PROJECT["build-system"]["requires"])
    extras = [line for extra in PROJECT["project"]["optional-dependencies"].values() for line in extra]
    return [*PROJECT["project"]["dependencies"], *extras, *PROJECT["dependency-groups"]["dev"]]


if __name__ == "__main__":
    print("\n".join(lines(sys.argv[1])))
