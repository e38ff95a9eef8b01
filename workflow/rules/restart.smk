"""After a kill: the next Snakemake goes on at once, and what the killed one left running ends."""

import fcntl
import os
import socket

# Jobs end when this process does: what they would write then, nobody waits for.
os.environ.update(PTQ_PRIVACY_SNAKEMAKE=str(os.getpid()))


def alive_here(folder=Path(".snakemake")):
    """Hold a shared kernel lock on this folder while the process lives, and return its file.

    Snakemake's own locks are files that outlive a kill -9. The kernel's do not: whoever gets this
    one alone knows that no other Snakemake is alive on this host, and, if the last one ran on it
    too, that the files left are stale. Kernel locks need not reach across hosts.
    """
    folder.mkdir(exist_ok=True)
    file = open(folder / "alive", "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # another one is alive, and Snakemake will refuse what it is at work on
    else:
        file.seek(0)
        here = file.read() in ("", socket.gethostname())
        stale = list(folder.glob("locks/*.lock"))
        for lock in stale if here else []:
            lock.unlink()
        if here or not stale:
            file.truncate(0)
            file.write(socket.gethostname())
            file.flush()
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


# As a module, others may be at work in the folder who take no such lock: theirs are not ours to remove.
if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    try:
        ALIVE = alive_here()
    except OSError:  # a file system without locks, or read-only: unlock by hand
        pass
