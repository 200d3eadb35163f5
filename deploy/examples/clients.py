"""Makes `accrete` importable from the examples, wherever they are started from."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients" / "python"))


def runtime():
    """The directory of a graph's local sockets, unless its setting `endpoints.runtime` names another."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    return f"{own}/accrete" if own else f"/tmp/accrete-{os.getuid()}"


def models():
    """The directory in which `deploy/models` stores files."""
    return pathlib.Path(__file__).resolve().parents[2] / "models"
