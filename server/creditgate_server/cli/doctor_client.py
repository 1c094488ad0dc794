"""The check of `doctor` that asks the server: in a module of its own, for it loads the packages that may not work."""

from __future__ import annotations

from argparse import Namespace

from creditgate.errors import CallFailed
from creditgate.terms import ServingStatus
from creditgate_server.cli.connection import connect
from creditgate_server.cli.diagnosis import Check, Status


def server(arguments: Namespace) -> Check:
    """Ask whether the server at --target serves. That there is none is as it may be."""
    with connect(arguments) as client:
        try:
            status = client.health()
        except CallFailed as failure:
            if failure.code == "UNAVAILABLE":
                return Check("server", Status.NOTE, f"none at {client.target}", "start one with `creditgate serve`")
            return Check("server", Status.PROBLEM, f"{client.target}: {failure}", "look at what listens there")
    if status is ServingStatus.SERVING:
        return Check("server", Status.OK, f"{client.target} is serving")
    finding = f"{client.target} is not serving: its store does not answer, or it stops"
    return Check("server", Status.PROBLEM, finding, "its log says why")
