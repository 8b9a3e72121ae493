"""Joining a cluster, and asking its machines whether they can do the work: words before the run, and no endless wait.

Imports Ray inside its functions, as it is an extra.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.atomic import PART_SUFFIX
from core.cluster.options import Node, Share
from core.contract.errors import UserError, how_to_install
from core.contract.upscale import UpscaleRequest
from core.language import current
from core.language import gettext as _
from core.upscale.plan import Plan
from core.version import VERSION

ANSWER_SECONDS = 5
"""How long the head of a cluster may take to answer."""
INSPECTION_SECONDS = 120
"""How long a machine may take to look around: it starts a process, and reads the models."""
MOST_FOLDERS = 50
"""How many output folders, and folders that were searched, each machine looks at."""
OBJECT_STORE_BYTES = 100 << 20
"""For a cluster that is started here: pictures do not go through it."""
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""What a client of gRPC says first (RFC 9113, sec. 3.4), with an empty frame of settings."""
_FRAME_OF_SETTINGS = 4


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster that this process is part of."""

    words: str
    """Which one, for people."""
    head: tuple[str, int] | None = None
    """Where it answers; None for one that lives in this run."""

    def nodes(self) -> list[Node]:
        """The machines that are there now."""
        import ray

        return [
            Node(
                each["NodeID"],
                each["NodeManagerHostname"]
                if each["NodeManagerHostname"] == each["NodeManagerAddress"]
                else f"{each['NodeManagerHostname']} ({each['NodeManagerAddress']})",
                each["Resources"].get("CPU", 0.0),
                each["Resources"].get("GPU", 0.0),
            )
            for each in ray.nodes()  # type: ignore[no-untyped-call]
            if each["Alive"]
        ]

    def answers(self) -> bool:
        """Whether the head is still there, and this machine still part of the cluster."""
        import ray

        if self.head is not None:
            try:
                socket.create_connection(self.head, timeout=ANSWER_SECONDS).close()
            except OSError:
                return False
        own = ray.get_runtime_context().get_node_id()
        return any(each.key == own for each in self.nodes())


@contextmanager
def connected(address: str) -> Iterator[Connection]:
    """Join a cluster for a while.

    Args:
        address: HOST:PORT of its head, or `auto`: the cluster that this machine is part of, or else one that is started
            here, on this machine alone, and ended with the block.

    Raises:
        UserError: Ray is not installed, nobody answers there, it has another version, or does not let this machine in.
    """
    # Ray says much of its own, and reports on its use, unless it is told otherwise before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UserError(
            _("Work on a cluster needs Ray, which is not installed."), how_to_install("'srgan-desktop[cluster]'")
        ) from None
    found = _found_here() if address == "auto" else address
    head = None if found is None else _reached(found)
    if ray.is_initialized():
        # By a program that uses this one as a library: it ends it, too.
        joined = ray.get_runtime_context().gcs_address
        if address not in ("auto", joined):
            raise UserError(
                _("This process has joined another cluster, at {joined}.").format(joined=joined),
                _("Give that address, or auto."),
            )
        yield Connection(_("On the cluster at {joined}.").format(joined=joined), _reached(joined))
        return
    with _quiet():
        try:
            with _own_signals():
                _init(found)
            yield Connection(
                _("On the cluster at {found}.").format(found=found)
                if found
                else _("No cluster here: working on this machine alone."),
                head,
            )
        finally:
            ray.shutdown()


def _init(address: str | None) -> None:
    import ray
    from ray.exceptions import AuthenticationError

    options: dict[str, Any] = {"configure_logging": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        ray.init(address or "local", **options)
    except AuthenticationError as error:
        raise UserError(
            _("The cluster at {address} does not let this machine in: its token is another.").format(address=address),
            _("Copy ~/.ray/auth_token of the cluster's head to the same place here."),
        ) from error
    except (RuntimeError, ConnectionError, ValueError, TimeoutError, OSError) as error:
        raise _in_words(address, str(error)) from error
    except Exception as error:
        # What Ray raises of a busy machine on which it does not come up within half a minute is no kind of its own.
        if type(error) is not Exception:
            raise
        raise _in_words(address, str(error)) from error


def _in_words(address: str | None, text: str) -> UserError:
    if "Version mismatch" in text:
        versions = [line.strip() for line in text.splitlines() if line.strip().startswith(("Ray:", "Python:"))]
        there, here = ", ".join(versions[:2]), ", ".join(versions[2:4])
        return UserError(
            _("The cluster at {address} runs another version: {there} there, {here} here.").format(
                address=address, there=there, here=here
            ),
            _("Install the same versions of Python and Ray on all machines."),
        )
    if address is None:
        return UserError(_("No cluster could be started on this machine: {text}").format(text=text.strip()[:500]))
    return UserError(
        _("This machine could not join the cluster at {address}: {text}").format(
            address=address, text=text.strip()[:500]
        ),
        _("Make it one of the cluster's first: ray start --address={address}").format(address=address),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray from printing what its machines report, which goes to standard output, among the events; and advice."""
    from ray._private import worker

    # There is no public switch: `log_to_driver` is about what workers print.
    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_what, **_how: None
    # `logging_level` is heeded only where Ray may set logging up, for all of the program.
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        worker.print_to_stdstream = before
        logger.setLevel(level)


def _found_here() -> str | None:
    """HOST:PORT of the cluster that this machine is part of; None if there is none, or none any more."""
    from ray._private.services import canonicalize_bootstrap_address

    # Public is only `ray.init("auto")`, which waits for minutes where a cluster was that is gone.
    try:
        address = canonicalize_bootstrap_address("auto")
    except ConnectionError:
        return None
    if address is None or os.environ.get("RAY_ADDRESS"):
        return address
    with suppress(UserError):
        _reached(address)
        return address
    return None


def _reached(address: str) -> tuple[str, int]:
    """The host and the port of an address where a cluster answers.

    Raises:
        UserError: nobody does.
    """
    if address.startswith("ray://"):
        raise UserError(
            _("“{address}” is an address for clients, which cannot write into the output folder.").format(
                address=address
            ),
            _(
                "Run the command on a machine of the cluster, and give HOST:PORT of its head, whose "
                "port is usually 6379."
            ),
        )
    host, _rest, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            _("“{address}” is not the address of a cluster.").format(address=address),
            _("Use auto, or HOST:PORT, such as 192.168.1.10:6379."),
        )
    hint = _(
        "Start a cluster there with “ray start --head”, which prints its address, and look for a firewall between."
    )
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS) as connection:
            # Ray itself would wait for two minutes, whoever answers.
            if os.environ.get("RAY_USE_TLS", "0") != "1":
                connection.sendall(_HTTP2_PREFACE)
                answer = connection.recv(9)
                if len(answer) < 4 or answer[3] != _FRAME_OF_SETTINGS:
                    raise UserError(_("What answers at {address} is not a Ray cluster.").format(address=address), hint)
    except (OSError, ValueError) as error:  # a name that no host can have
        why = getattr(error, "strerror", None) or str(error)
        raise UserError(_("No cluster answers at {address}: {why}.").format(address=address, why=why), hint) from error
    return host, int(port)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep Ray's hands off SIGTERM, which the command has a use for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # None is a handler that is not Python's, and cannot be put back from here.
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def check_nodes(connection: Connection, share: Share, request: UpscaleRequest, settled: Plan) -> None:
    """Ask every machine that has room for a worker whether it can do this work.

    The output folders are made, if they are not there.

    Raises:
        UserError: one cannot: in words for all that cannot.
    """
    if connection.head is None:
        # It was started for this run, on this very machine: what this process found there, its workers will find.
        return
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def look(spoken: str, what: bytes) -> dict[str, Any]:
        # Sent as it is, and not by name, as are its arguments: the program may not be there.
        import pickle

        try:
            from core import language

            # A worker may be started in this process, and must have found it so.
            language.use(spoken)
            from core.cluster.inspection import inspect

            arguments = pickle.loads(what)
        except ImportError as error:
            return {"missing": error.name}
        return inspect(*arguments)

    folders = list(dict.fromkeys(task.journal for task in settled.tasks))[:MOST_FOLDERS]
    sources = {task.root or task.source.parent: task.source for task in reversed(settled.tasks)}
    seen = [(path, path.stat().st_size) for path in list(sources.values())[:MOST_FOLDERS] if path.is_file()]
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = []
    try:
        for node in connection.nodes():
            if node.room_for(share):
                marks = [(_mark(folder), secrets.token_hex(8)) for folder in folders]
                strategy = NodeAffinitySchedulingStrategy(node.key, soft=False)
                lean = replace(request, inputs=(), roots=())
                answer = task.options(scheduling_strategy=strategy).remote(current(), pickle.dumps((lean, marks, seen)))
                asked.append((node, marks, answer))
        ray.wait([answer for _, _, answer in asked], num_returns=len(asked), timeout=INSPECTION_SECONDS)
        problems = [
            f"{node.name}: {problem}"
            for node, marks, answer in asked
            if (problem := problem_of(_answer_of(answer), marks, settled.fingerprint))
        ]
    finally:
        for _node, marks, _answer in asked:
            for mark, _at in marks:
                mark.unlink(missing_ok=True)
    if problems:
        more = " " + _("And {count} more machines.").format(count=len(problems) - 3) if len(problems) > 3 else ""
        raise UserError(
            _("Not every machine of the cluster can do this work.") + " " + " ".join(problems[:3]) + more,
            _("Fix that, or take the machine out of the cluster with “ray stop” there."),
        )


def _mark(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            _("The folder “{folder}” cannot be made: {strerror}.").format(folder=folder, strerror=error.strerror),
            _("Choose another output folder."),
        ) from error
    return folder / f".srgan-{secrets.token_hex(6)}{PART_SUFFIX}"


def _answer_of(reference: Any) -> dict[str, Any]:
    import ray
    from ray.exceptions import GetTimeoutError, NodeDiedError, RayError, TaskUnschedulableError

    try:
        answer: dict[str, Any] = ray.get(reference, timeout=1)
    except GetTimeoutError:
        return {
            "silent": _("it has not answered within {inspection_seconds} seconds.").format(
                inspection_seconds=INSPECTION_SECONDS
            )
        }
    except (TaskUnschedulableError, NodeDiedError):
        # A machine that has just died is listed for a while.
        return {"gone": True}
    except RayError as error:
        return {"silent": _("it could not be asked: {error}").format(error=str(error).strip().splitlines()[-1])}
    return answer


def problem_of(found: dict[str, Any], marks: Iterable[tuple[Path, str]], fingerprint: str) -> str:
    """What is wrong with a machine, in words; empty if nothing is, or if it is there no more."""
    if "gone" in found:
        return ""
    if "silent" in found:
        return str(found["silent"])
    if "missing" in found:
        return _("SRGAN Desktop is not installed there, or another version of it: “{missing}” is missing.").format(
            missing=found["missing"]
        )
    if found["version"] != VERSION:
        return _("SRGAN Desktop {version} is there, and {here} here.").format(version=found["version"], here=VERSION)
    if not found["torch"]:
        return _("torch is not installed there.")
    if "model" in found:
        return _("{model} Copy the file of the model there, to the same place.").format(model=found["model"])
    if "store" in found:
        return str(found["store"])
    if found["fingerprint"] != fingerprint:
        return _("its results would differ: its model of this name, or its build of SRGAN Desktop, is another one.")
    if "unwritable" in found:
        folder, why = found["unwritable"]
        return _(
            "it cannot write into “{folder}”: {why}. All machines must see the output folder under this path."
        ).format(folder=folder, why=why)
    if "unseen" in found:
        return _(
            "it does not see “{unseen}” as this machine does. All must see the pictures under the same path."
        ).format(unseen=found["unseen"])
    for mark, content in marks:
        try:
            if mark.read_text(encoding="ascii") == content:
                continue
        except (OSError, ValueError):
            pass
        return _("its folder “{parent}” is not the one of this machine. All must share one.").format(parent=mark.parent)
    return ""
