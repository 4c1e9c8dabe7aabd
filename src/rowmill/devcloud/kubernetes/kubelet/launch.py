"""What stands between the node and one container: a script without any package, so that it starts quickly.

`python -I -S launch.py SPEC FD` reads the specification, makes namespaces and a root for the container, runs its
program as process 1, forwards SIGTERM, kills it on SIGUSR1, and ends with its exit code. What could not be made is told
on FD; if the program runs, FD is closed without a word. It dies with the process that started it, and the container
with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 32, 4096, 16384, 1 << 18
MS_RELATIME, ST_RELATIME = 1 << 21, 1 << 12
KEPT_FLAGS = 2 | 4 | 8 | 1024 | 2048  # nosuid, nodev, noexec, noatime, nodiratime: the same numbers in both worlds
NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000
PDEATHSIG, CAPBSET_READ, CAPBSET_DROP, NO_NEW_PRIVS, MNT_DETACH = 1, 23, 24, 38, 2
CAPABILITIES = 64
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
TMP = "/tmp"  # noqa: S108 - a container's own
OWN = ("/proc", "/sys", "/dev", TMP)  # every container has its own
OLD = "/.old"
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
NO_NAMESPACES = "this machine lets this user make no namespaces (unshare: {}); pods of devcloud need them"
Spec = dict[str, Any]

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *args: Any) -> None:
    """Call the C library.

    Raises:
        OSError: It says no.
    """
    given = [os.fsencode(arg) if isinstance(arg, (str, Path)) else arg for arg in args]
    if getattr(libc, name)(*given) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something."""
    call("mount", source, target, kind, ctypes.c_ulong(flags), options)


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Show a folder or file at another place as well."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        seal(target)


def seal(target: str) -> None:
    """Let nobody write to a mount; what else it forbids, it goes on to forbid."""
    kept = os.statvfs(target).f_flag & KEPT_FLAGS
    relative = MS_RELATIME if os.statvfs(target).f_flag & ST_RELATIME else 0
    mount("", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | kept | relative)


def place(target: str, *, file: bool) -> None:
    """Make what something can be mounted on."""
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    if file:
        path.touch()
    else:
        path.mkdir(exist_ok=True)


def main() -> int:
    """Launch a container; return its exit code."""
    file, report = Path(sys.argv[1]), int(sys.argv[2])
    spec = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    call("prctl", PDEATHSIG, signal.SIGKILL)
    try:
        leave()
    except OSError as error:
        tell(report, NO_NAMESPACES.format(error.strerror))
    child = os.fork()
    if child == 0:
        first(spec, report)
    os.close(report)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def leave() -> None:
    """Leave the machine's namespaces; who is not root becomes root of nothing but this."""
    wanted = NEWNS | NEWUTS | NEWIPC | NEWPID
    try:
        call("unshare", wanted)
    except PermissionError:
        uid, gid = os.geteuid(), os.getegid()
        call("unshare", wanted | NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")


def tell(report: int, message: str) -> NoReturn:
    """Say why the container does not run, and end."""
    os.write(report, message.encode())
    os._exit(128)


def first(spec: Spec, report: int) -> NoReturn:
    """Be process 1: make the root, go into it, become the program."""
    call("prctl", PDEATHSIG, signal.SIGKILL)
    os.set_inheritable(report, False)
    try:
        socket.sethostname(spec["hostname"])
        root = made(Path(spec["root"]))
        furnish(root, spec)
        become(spec)
        run(spec)
    except (OSError, ValueError) as error:
        tell(report, f"{RUNC}{getattr(error, 'strerror', None) or error}: unknown")


def made(folder: Path) -> str:
    """Make a root that shows the machine's files and keeps what is written to itself."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("none", str(folder), "tmpfs", MS_NOSUID, "mode=755")
    root = folder / "root"
    try:
        layer(folder, "/", str(root))
    except OSError:  # inside a user namespace nobody may lay something over all mounts at once
        root.mkdir(exist_ok=True)
        bind(str(root), str(root))
        for entry in os.scandir("/"):
            mirror(folder, entry, root)
        return str(root)
    for target in mounted():
        try:
            layer(folder, target, f"{root}{target}")
        except OSError:
            continue  # a mount of its own that nobody can lay something over: not seen inside
    return str(root)


def layer(folder: Path, lower: str, target: str) -> None:
    """Lay a private layer over a folder of the machine."""
    number = len(list(folder.iterdir()))
    upper, work = folder / f"upper{number}", folder / f"work{number}"
    upper.mkdir()
    work.mkdir()
    upper.chmod(Path(lower).stat().st_mode & 0o7777)
    Path(target).mkdir(exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    for more in ("", ",userxattr"):
        try:
            mount("overlay", target, "overlay", 0, options + more)
        except OSError:
            if more:
                raise
        else:
            return


def mirror(folder: Path, entry: os.DirEntry[str], root: Path) -> None:
    """Show an entry of the machine's root in a container's."""
    target = root / entry.name
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
    elif entry.is_dir() and entry.path not in OWN:
        try:
            layer(folder, entry.path, str(target))
        except OSError:
            bind(entry.path, str(target), read_only=True)


def mounted() -> list[str]:
    """Return where folders of real file systems are mounted, from the outside in."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        target = line.split()[4].encode().decode("unicode_escape")
        if target != "/" and not any(f"{target}/".startswith(f"{own}/") for own in OWN) and Path(target).is_dir():
            found.append(target)
    return sorted(set(found))


def furnish(root: str, spec: Spec) -> None:
    """Put into a root what every container has, and its own volumes; go into it."""
    devices(f"{root}/dev")
    for name in ("proc", "sys", "tmp"):
        Path(root, name).mkdir(exist_ok=True)
    bind("/sys", f"{root}/sys", read_only=True)
    try:
        mount("proc", f"{root}/proc", "proc")
        bind("/proc/sys", f"{root}/proc/sys", read_only=True)
    except OSError:
        bind("/proc", f"{root}/proc")
    mount("none", root + TMP, "tmpfs", MS_NOSUID, "mode=1777")
    Path(root + OLD).mkdir(exist_ok=True)
    call("pivot_root", root, root + OLD)
    os.chdir("/")
    called = Path("/etc/hostname")
    called.write_text(spec["hostname"] + "\n", encoding="utf-8")
    called.chmod(0o644)
    hidden = [TMP]
    for volume in sorted(spec["mounts"], key=lambda volume: str(volume["target"])):
        source = OLD + volume["source"]
        place(volume["target"], file=Path(source).is_file())
        bind(source, volume["target"], read_only=volume["read_only"])
        hidden.append(volume["target"])
    keep(spec["keep"], hidden)
    call("umount2", OLD, MNT_DETACH)
    Path(OLD).rmdir()
    if spec["read_only"]:
        close(hidden[1:])


def close(volumes: list[str]) -> None:
    """Let nobody write into the root any more."""
    if TMP not in volumes:
        seal(TMP)
    for target in ["/", *(target for target in mounted() if target not in volumes)]:
        seal(target)


def devices(folder: str) -> None:
    """Make a container's own /dev: nothing that is written there is seen outside."""
    Path(folder).mkdir(exist_ok=True)
    mount("none", folder, "tmpfs", MS_NOSUID, "mode=755")
    for name in DEVICES:
        if Path("/dev", name).exists():
            Path(folder, name).touch()
            bind(f"/dev/{name}", f"{folder}/{name}")
    for name, target in LINKS.items():
        Path(folder, name).symlink_to(target)
    Path(folder, "shm").mkdir()
    mount("none", f"{folder}/shm", "tmpfs", MS_NOSUID, "mode=1777")


def keep(paths: list[str], hidden: list[str]) -> None:
    """See to it that the image's own folders are there, whatever is mounted, and that every user gets to them."""
    for path in paths:
        if any(f"{path}/".startswith(f"{over}/") for over in hidden):
            place(path, file=False)
            bind(OLD + path, path, read_only=True)
        for above in Path(path).parents:
            mode = above.stat().st_mode & 0o7777
            if not mode & 0o001:
                above.chmod(mode | 0o011)


def become(spec: Spec) -> None:
    """Become the user that the container runs as."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cwd = Path(spec["cwd"])
    if not spec["read_only"]:
        cwd.mkdir(parents=True, exist_ok=True)
    os.chdir(cwd)
    for number in range(CAPABILITIES):
        if number not in spec["capabilities"] and libc.prctl(CAPBSET_READ, number, 0, 0, 0) == 1:
            call("prctl", CAPBSET_DROP, number, 0, 0, 0)
    if spec["no_new_privileges"]:
        call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    if int(Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2]) > 1:  # else there is but one user here
        os.setgroups(spec["groups"])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
    os.umask(0o022)
    call("prctl", PDEATHSIG, signal.SIGKILL)  # who changes the user loses it


def run(spec: Spec) -> NoReturn:
    """Become the program."""
    program, env = spec["argv"][0], spec["env"]
    places = [program] if "/" in program else [f"{part}/{program}" for part in env.get("PATH", "").split(":") if part]
    why = f'exec: "{program}": executable file not found in $PATH'
    for path in places:
        try:
            os.execve(path, spec["argv"], env)  # noqa: S606 - no shell is wanted
        except FileNotFoundError:
            if "/" in program:
                why = f'exec: "{program}": stat {program}: no such file or directory'
        except PermissionError:
            why = f'exec: "{program}": permission denied'
        except OSError as error:
            why = f"exec {path}: {str(error.strerror).lower()}"
    raise OSError(None, why)


if __name__ == "__main__":
    sys.exit(main())
