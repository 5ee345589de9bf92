"""A real Slurm on this machine: two virtual nodes, the second with two GPUs that are none, all in one folder.

What a plain Debian machine makes necessary, and why:

- Snakemake's job steps lose SLURM_CONF, so `srun` finds no cluster: a shim first on the PATH gives it back.
- There is no accounting database: `sacct` is a shim too and asks `squeue`.
- A GPU must be a character device: /dev/null and /dev/zero serve.
- Job steps are followed by process group (proctrack/pgid); `linuxproc` loses children that ignore SIGTERM.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "setpriv")
_SEARCHED = f"{os.environ['PATH']}:/usr/sbin:/sbin"

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
{binding}
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MailProg=/bin/true
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmdTimeout=15
SlurmctldTimeout=10
KillWait=2
MinJobAge=86400
InactiveLimit=0
Waittime=0
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={n1_port} CPUs=8 RealMemory=1000000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={n2_port} CPUs=8 RealMemory=1000000 Gres=gpu:2
PartitionName=main Nodes=n1,n2 Default=YES PriorityTier=1 MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=100 State=UP
PartitionName=urgent Nodes=n1,n2 PriorityTier=10 MaxTime=INFINITE DefaultTime=10 DefMemPerCPU=100 State=UP
"""

GPUS = """\
AutoDetect=off
NodeName=n2 Name=gpu File=/dev/null
NodeName=n2 Name=gpu File=/dev/zero
"""

SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""

# Of the two questions that the plugin asks: the states of a pipeline's jobs, and the node of one job.
SACCT = """\
#!/bin/sh
job= name=
while [ $# -gt 0 ]; do
    case $1 in
        -j) job=$2; shift ;;
        --name) name=$2; shift ;;
    esac
    shift
done
[ -n "$name" ] && exec squeue --noheader --states=all --format='%i|%T' --name "$name"
[ -n "$job" ] && exec squeue --noheader --states=all --format=%N --jobs "${job%%.*}"
exit 1
"""


def missing() -> list[str]:
    """The programs of Slurm that this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=_SEARCHED) is None]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not; `what` says what was waited for.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.1)


class Cluster:
    """A controller and two nodes, `n1` without and `n2` with GPUs; its files and sockets lie in `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: dict[str, subprocess.Popen] = {}
        for name in ("state", "spool-n1", "spool-n2", "bin"):
            (folder / name).mkdir()
        ports = _free_ports(3)
        (folder / "slurm.conf").write_text(
            CONFIG.format(
                folder=folder,
                host=socket.gethostname().partition(".")[0],
                user=_user(),
                binding=_binding(),
                **dict(zip(("controller_port", "n1_port", "n2_port"), ports, strict=True)),
            )
        )
        (folder / "gres.conf").write_text(GPUS)
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        srun = SRUN.format(folder=folder, srun=shutil.which("srun", path=_SEARCHED))
        for name, text in (("srun", srun), ("sacct", SACCT)):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """What a user of this cluster has in the environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{_SEARCHED}"
        return kept | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start everything and wait until both nodes take jobs."""
        munge = {name: f"{self.folder}/munge.{name}" for name in ("key", "pid", "log", "seed")}
        self._daemon(
            "munged",
            *("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", "--num-threads=2"),
            *(f"--{name}-file={path}" for name, path in munge.items()),
        )
        self._wait_until(Path(self.folder, "munge.socket").exists, "munged's socket")
        self.start_controller(fresh=True)
        for node in ("n1", "n2"):
            self.start_node(node)

    def start_controller(self, *, fresh: bool = False) -> None:
        """Start the controller, with the jobs it had unless fresh, and wait until it answers."""
        self._daemon("slurmctld", "slurmctld", "-D", *(["-c"] if fresh else []))
        self._wait_until(lambda: self._run("scontrol", "ping").returncode == 0, "the controller")

    def start_node(self, node: str) -> None:
        """Start a node and wait until it takes jobs."""
        self._daemon(node, "slurmd", "-D", "-N", node)
        self._wait_until(lambda: self.node_state(node) in ("idle", "mixed", "allocated"), f"node {node}")

    def kill_controller(self) -> None:
        """End the controller at once, as a power cut would."""
        self._kill("slurmctld")

    def kill_node(self, node: str) -> None:
        """End a node at once with all that runs on it, as a power cut would."""
        self._kill(node)
        jobs = self._processes_with(f"SLURMD_NODENAME={node}")
        managers = {parent for pid in jobs if (parent := _parent(pid)) in self.processes()}
        for pid in [*managers, *jobs]:
            _signal(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End all jobs, then the daemons, then what is left of either."""
        self._run("scancel", "--user", _user())
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not self._run("squeue", "--noheader").stdout.strip(), "an empty queue", seconds=10)
        for name in ("n1", "n2", "slurmctld", "munged"):
            daemon = self.daemons.pop(name, None)
            if daemon:
                daemon.terminate()
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)
        wait_until(lambda: not self.processes(), "the end of all processes of the cluster", seconds=10)

    def node_state(self, node: str) -> str:
        """What `sinfo` calls the state of a node."""
        return self._run("sinfo", "--noheader", "--nodes", node, "--format=%T").stdout.split("\n")[0].strip()

    def jobs(self) -> dict[int, dict[str, str]]:
        """Every job that the cluster remembers: id -> what `scontrol` says of it."""
        shown = self._run("scontrol", "show", "jobs", "--oneliner", check=True).stdout
        fields = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in shown.splitlines() if line.startswith("JobId=")]
        return {int(job["JobId"]): job for job in fields}

    def jobs_of_rule(self, rule: str) -> list[dict[str, str]]:
        """The jobs of a rule in the order of their submission."""
        jobs = sorted(self.jobs().items())
        return [job for _, job in jobs if re.fullmatch(f"rule_{rule}(_wildcards_.*)?", job.get("Comment", ""))]

    def cancel(self, job: dict[str, str]) -> None:
        """Cancel a job, as a user or an administrator would; nothing happens to one that has ended."""
        self._run("scancel", job["JobId"])

    def submit(self, *arguments: str) -> int:
        """Submit a job beside the pipeline's and return its id."""
        return int(self._run("sbatch", "--parsable", "--output=/dev/null", *arguments, check=True).stdout)

    def processes(self) -> list[int]:
        """All processes that belong to the cluster: daemons, step managers, jobs."""
        return self._processes_with()

    def processes_of(self, job: dict[str, str]) -> list[int]:
        """The processes of a job."""
        return self._processes_with(f"SLURM_JOB_ID={job['JobId']}")

    def _processes_with(self, *marks: str) -> list[int]:
        wanted = {f"SLURM_CONF={self.folder}/slurm.conf", *marks}
        return [pid for pid, environment in _environments() if wanted <= environment]

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            wait_until(condition, what)
        except TimeoutError as error:
            logs = (f"== {path.name}\n{path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log")))
            raise TimeoutError("\n".join([str(error), *logs])) from None

    def _daemon(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.out").open("a")
        # Daemons die with the tests, however these end.
        self.daemons[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def _kill(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait()

    def _run(self, *command: str, check: bool = False) -> subprocess.CompletedProcess:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check, timeout=60)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A started cluster in a folder of its own, both gone at the end."""
    # Not in pytest's folders: the path of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def _binding() -> str:
    """Listen on the loopback interface alone; Slurm can where the machine's own name stands for it."""
    with contextlib.suppress(OSError):
        if socket.gethostbyname(socket.gethostname()).startswith("127."):
            return "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny"
    return ""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _environments() -> Iterator[tuple[int, set[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(folder.name), set((folder / "environ").read_bytes().decode(errors="replace").split("\0"))


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
