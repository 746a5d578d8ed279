"""Two hosts on one machine: network namespaces with a cable between them, for two_hosts.py."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 300.0  # seconds, for what should be there long before

# What `unshare` runs on a host: its name, its /etc/hosts, and the command in the place of this shell.
ENTER = 'echo "$1" >/proc/sys/kernel/hostname && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"'


class HostsError(Exception):
    """What a test expects has not come; one line."""


class Host:
    """A network namespace with an address on the cable, a host name, an /etc/hosts and a folder.

    name: the host name, which is that of the namespace, and of the host's end of the cable.
    """

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder
        self._hosts = folder / "hosts"
        self._hosts.write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n")
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, say: str = "said.txt") -> None:
        """Start a command in the host's folder; all that it says goes into a file there."""
        enter = ["unshare", "--uts", "--mount", "sh", "-c", ENTER, "sh", self.name, str(self._hosts)]
        with open(self.folder / say, "wb") as said:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *enter, *command],
                cwd=self.folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)

    def said(self, say: str = "said.txt") -> str:
        """Return what the last command has said."""
        return (self.folder / say).read_text(errors="replace")

    def processes(self) -> list[int]:
        """Return the ids of all processes on the host."""
        return [int(word) for word in _ip("netns", "pids", self.name).split()]

    def workers(self) -> list[int]:
        """Return the ids of the processes that torchrun has started."""
        return [number for number in self.processes() if "RANK" in _variables(number)]

    def plug(self, plugged: bool = True) -> None:
        """Put the host's end of the cable in, or pull it."""
        _ip("-n", self.name, "link", "set", self.name, "up" if plugged else "down")

    def limit(self, rate: str) -> None:
        """Have the host send no faster than ``rate``, as tc writes it: 20mbit."""
        shape = ("tbf", "rate", rate, "burst", "32kb", "latency", "400ms")
        run("tc", "-n", self.name, "qdisc", "replace", "dev", self.name, "root", *shape)

    def clear(self) -> None:
        """End all processes."""
        for number in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for process in self.started:
            process.wait()


@contextlib.contextmanager
def two_hosts(folder: Path) -> Iterator[list[Host]]:
    """Make two hosts, each with a copy of ``folder``, and a cable between them; remove all of it after."""
    number = os.getpid()
    net = f"10.{200 + number % 50}.{number // 50 % 250}"
    names = [f"one{number}", f"two{number}"]
    hosts = []
    with contextlib.ExitStack() as undo:
        for index, name in enumerate(names, 1):
            copy = folder.with_name(name)
            undo.callback(shutil.rmtree, copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            _ip("netns", "add", name)
            undo.callback(_ip, "netns", "del", name)
            hosts.append(Host(name, f"{net}.{index}", copy))
            undo.callback(hosts[-1].clear)
        _ip("link", "add", names[0], "netns", names[0], "type", "veth", "peer", "name", names[1], "netns", names[1])
        for host in hosts:
            _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", host.name)
            _ip("-n", host.name, "link", "set", "lo", "up")
            host.plug()
        yield hosts


def until(there: Callable[[], Any], otherwise: str, hosts: Sequence[Host]) -> None:
    """Wait until there() is true; HostsError, with all that was said, where it cannot become so."""
    last = time.monotonic() + LIMIT
    while not there():
        if time.monotonic() > last or not any(host.processes() for host in hosts):
            raise HostsError(f"{otherwise}\n{_all_said(hosts)}")
        time.sleep(0.1)


def wait(hosts: Sequence[Host]) -> None:
    """Wait until all that was started on the hosts is through, and has failed nowhere."""
    left = [(host, process) for host in hosts for process in host.started]
    last = time.monotonic() + LIMIT
    while left:
        if any(process.poll() for _, process in left) or time.monotonic() > last:
            codes = ", ".join(f"{host.name} {process.poll()}" for host, process in left)
            raise HostsError(f"exit codes {codes}\n{_all_said(hosts)}")
        left = [(host, process) for host, process in left if process.returncode is None]
        time.sleep(0.1)


def _all_said(hosts: Sequence[Host]) -> str:
    return "\n".join(
        f"{path}:\n{path.read_text(errors='replace')}" for host in hosts for path in host.folder.glob("*.txt")
    )


def what_is_missing() -> str:
    """Return what this machine lacks; nothing where all is there."""
    if not sys.platform.startswith("linux"):
        return "Linux"
    if os.geteuid():
        return "root: it makes network namespaces"
    programs = {"ip": "iproute2", "unshare": "util-linux", "mount": "mount"}
    missing = [f"{name} (of {package})" for name, package in programs.items() if shutil.which(name) is None]
    return ", ".join(missing)


def run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Return what a command prints; HostsError with what it says where it fails."""
    done = subprocess.run(
        command, check=False, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise HostsError(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.stdout


def _ip(*arguments: str) -> str:
    return run("ip", *arguments)


def environment() -> dict[str, str]:
    """Return the variables of a process that finds this package."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _variables(number: int) -> dict[str, str]:
    """Return a process's variables; none where it has ended."""
    try:
        words = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(word.decode(errors="replace").partition("=")[::2] for word in words)
