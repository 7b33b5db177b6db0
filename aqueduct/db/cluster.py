"""One PostgreSQL cluster in a folder, reached through a Unix socket: create, start, stop; knows not who uses it.

PostgreSQL refuses to run as root. Under root its programs run as the owner of an existing cluster, else as the
system's `postgres` user, else as `nobody`. The cluster trusts local connections; its folder and socket belong to
that account alone (mode 0700).
"""

import hashlib
import logging
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

SUPERUSER = "postgres"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
_PORT = 5432
_SOCKET_PATH_MAX = 100  # macOS allows 104 bytes, Linux 108
_READY = "ready"
_IMPOSSIBLE_PID = 2**22 + 1  # above the largest number that Linux and macOS give
_MAX_LOG_BYTES = 8 * 1024 * 1024

logger = logging.getLogger(__name__)


class ClusterError(RuntimeError):
    """PostgreSQL could not be created, started or stopped; the message holds its own words."""


class Account(Struct, frozen=True):
    """The system account that runs PostgreSQL where this process is root."""

    uid: int
    gid: int


class Postmaster(Struct, frozen=True):
    """What a running server notes in `postmaster.pid`."""

    pid: int
    socket_dir: Path
    status: str


class Cluster:
    """A PostgreSQL data folder and the programs for it. Not safe for concurrent use: callers lock."""

    def __init__(self, bin_dir: Path, data_dir: Path, *, options: tuple[str, ...] = ()) -> None:
        """`options` are server settings as `name=value`."""
        self.bin_dir = bin_dir.resolve()
        self.data_dir = data_dir.resolve()
        self._options = options
        self._account = _account_for(self.data_dir)

    @property
    def url(self) -> str:
        """Where the running server is reached."""
        return self.database_url("postgres")

    def database_url(self, database: str) -> str:
        """Where a database of the running server is reached."""
        postmaster = self._postmaster()
        folder = postmaster.socket_dir if postmaster else self._socket_dir()
        return f"postgresql://{SUPERUSER}@/{quote(database)}?host={quote(str(folder), safe='/')}"

    def start(self) -> None:
        """Create the cluster where it does not exist and start it where it does not run. Idempotent."""
        self._ensure_access()
        if not (self.data_dir / "PG_VERSION").exists():
            self._initialise()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise ClusterError(f"PostgreSQL in {self.data_dir} did not become ready:\n{self._log_tail()}")
            if self._is_alive():
                time.sleep(0.05)  # starting, recovering or stopping
                continue
            self._disown_stranger()
            self._launch(last_try=time.monotonic() + 5 > deadline)

    def stop(self) -> None:
        """Stop the server, ending its connections. Idempotent."""
        if not self._is_alive():
            return
        try:
            self._run("pg_ctl", "stop", "-D", str(self.data_dir), "-m", "fast", "-w", "-t", str(STOP_TIMEOUT_S))
        except ClusterError:
            if self._is_alive():
                raise  # else it died meanwhile by itself

    def is_ready(self) -> bool:
        """Whether the server accepts connections."""
        postmaster = self._postmaster()
        if postmaster is None or postmaster.status != _READY:
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(postmaster.socket_dir / f".s.PGSQL.{_PORT}")) == 0

    def _initialise(self) -> None:
        """Build beside the final place and move, so that an interrupted attempt leaves nothing half made."""
        fresh = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        if self._account:
            os.chown(fresh, self._account.uid, self._account.gid)
        self._run(
            "initdb", "-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"
        )
        fresh.rename(self.data_dir)

    def _launch(self, *, last_try: bool) -> None:
        folder = self._socket_dir()
        options = [f"-h '' -k {shlex.quote(str(folder))} -p {_PORT} -c unix_socket_permissions=0700"]
        options += [f"-c {shlex.quote(option)}" for option in self._options]
        log = self.data_dir / "server.log"
        if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
            log.unlink()
        try:
            self._run(
                *("pg_ctl", "start", "-D", str(self.data_dir), "-l", str(log), "-w", "-t", str(START_TIMEOUT_S)),
                *("-o", " ".join(options)),
            )
        except ClusterError as error:
            # After a crash the backends of the old server may need a moment to leave the shared memory.
            if last_try or "shared memory block" not in self._log_tail():
                raise ClusterError(f"{error}\n{self._log_tail()}") from error
            time.sleep(0.5)

    def _socket_dir(self) -> Path:
        """Return the data folder, or a private temporary folder where its path is too long for a socket."""
        if len(os.fsencode(self.data_dir / f".s.PGSQL.{_PORT}")) <= _SOCKET_PATH_MAX:
            return self.data_dir
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"aqueduct-{digest}"
        owner = self._account.uid if self._account else os.geteuid()
        if not folder.is_symlink() and not folder.exists():
            folder.mkdir(mode=0o700)
            if self._account:
                os.chown(folder, self._account.uid, self._account.gid)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
            raise ClusterError(f"{folder} is not a folder of the account that runs PostgreSQL")
        return folder

    def _postmaster(self) -> Postmaster | None:
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        try:
            status = lines[7].strip() if len(lines) > 7 else ""
            return Postmaster(pid=int(lines[0]), socket_dir=Path(lines[4].strip()), status=status)
        except (IndexError, ValueError):
            return None

    def _is_alive(self) -> bool:
        """Whether the process in the pid file is this cluster's server, not a stranger that got its number."""
        postmaster = self._postmaster()
        if postmaster is None:
            return False
        return os.fsencode(self.data_dir) in _command_line(postmaster.pid)

    def _disown_stranger(self) -> None:
        """Make the lock files of a dead server name a process that cannot exist.

        PostgreSQL would take any process that has got the old number, or a zombie, for the old server. The rest of
        the file stays: by it PostgreSQL makes sure that no orphan of the old server still writes.
        """
        postmaster = self._postmaster()
        if postmaster is None:
            return
        pid_file = self.data_dir / "postmaster.pid"
        _, _, rest = pid_file.read_text().partition("\n")
        pid_file.write_text(f"{_IMPOSSIBLE_PID}\n{rest}")
        (postmaster.socket_dir / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)

    def _ensure_access(self) -> None:
        """Let the account that runs PostgreSQL reach its programs and its folder; only root needs it."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        if self._account is None:
            return
        _open_parents(self.data_dir)
        try:
            self._run("postgres", "--version")
        except (ClusterError, PermissionError):
            _open_parents(self.bin_dir)
            _open_tree(self.bin_dir.parent)
            self._run("postgres", "--version")

    def _run(self, program: str, *arguments: str) -> None:
        account = self._account
        try:
            done = subprocess.run(  # noqa: S603 - a program of the PostgreSQL that was chosen, with our arguments
                [str(self.bin_dir / program), *arguments],
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=START_TIMEOUT_S * 2,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{program} did not end within {START_TIMEOUT_S * 2} s") from error
        if done.returncode != 0:
            raise ClusterError(f"{program} failed: {done.stdout.decode(errors='replace').strip()}")

    def _log_tail(self) -> str:
        try:
            return (self.data_dir / "server.log").read_text(errors="replace")[-2000:]
        except FileNotFoundError:
            return ""


def major_version(bin_dir: Path) -> int:
    """Return the major version of the PostgreSQL programs in a folder."""
    told = subprocess.run(  # noqa: S603 - a program of the PostgreSQL that was chosen
        [str(bin_dir / "postgres"), "--version"], capture_output=True, check=True, timeout=10
    ).stdout
    return int(told.split()[2].split(b".")[0])  # postgres (PostgreSQL) 15.18 (...)


def _account_for(data_dir: Path) -> Account | None:
    if os.geteuid() != 0:
        return None
    if data_dir.exists() and (owner := data_dir.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ClusterError("PostgreSQL cannot run as root, and there is no account 'postgres' or 'nobody' to run it as")


def _command_line(pid: int) -> bytes:
    """Return a process's command line, or nothing where there is no such process."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
    return subprocess.run(  # noqa: S603 - a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False, timeout=10
    ).stdout


def _open_parents(path: Path) -> None:
    """Let every account pass through the folders above a path; it still cannot list them."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            logger.warning("making %s passable for other accounts, so that PostgreSQL need not run as root", folder)
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _open_tree(root: Path) -> None:
    """Let every account read and run an installed PostgreSQL."""
    for path in (root, *root.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        extra = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & extra != extra:
            path.chmod(mode | extra)
