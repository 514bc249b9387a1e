"""Lint rules: which names a bundle's code had better not use, why, and what to write in their place."""

from dataclasses import dataclass
from typing import Final

from fabric.core.capabilities import NATIVE


@dataclass(frozen=True)
class Rule:
    """One kind of use.

    Attributes:
        use: its name, such as ``network``.
        names: dotted names that are such a use; a module stands for all that is in it.
        why: why it matters, one clause.
        fix: what to do, one clause.
        capability: what a manifest asks for to be granted it; empty: nothing grants it.
        is_chance: whether only ``determinism.mode = "strict"`` forbids it.
    """

    use: str
    names: frozenset[str]
    why: str
    fix: str
    capability: str = ""
    is_chance: bool = False


def _names(text: str, prefix: str = "") -> frozenset[str]:
    return frozenset(prefix + name for name in text.split())


RULES: Final = (
    Rule(
        use="network",
        names=_names(
            """socket socketserver ssl select selectors asyncio http.client http.server urllib.request
            urllib.robotparser ftplib imaplib nntplib poplib smtplib telnetlib xmlrpc webbrowser wsgiref
            requests httpx aiohttp urllib3 websockets grpc"""
        ),
        why="a container has no sockets",
        fix="take the data as input, so that everybody can check what the result rests on",
        capability="network",
    ),
    Rule(
        use="files",
        names=_names(
            """builtins.open io.open io.FileIO io.open_code codecs.open tempfile shutil glob fileinput mmap sqlite3 dbm
            pathlib.Path pathlib.PosixPath logging.FileHandler logging.handlers importlib.resources
            os.open os.listdir os.scandir os.walk os.mkdir os.makedirs os.remove os.unlink os.rename os.replace os.rmdir
            os.stat os.link os.symlink os.chmod os.truncate os.mkfifo"""
        ),
        why="a container has no file but Python's own, and can write none",
        fix="take the bytes as input: `value: bytes` is a raw file; for a name alone use pathlib.PurePath",
        capability="files",
    ),
    Rule(
        use="processes",
        names=_names(
            """subprocess multiprocessing concurrent.futures pty threading.Thread threading.Timer _thread signal
            os.system os.popen os.fork os.forkpty os.posix_spawn os.posix_spawnp os.kill os.killpg os.abort os._exit
            os.execl os.execle os.execlp os.execlpe os.execv os.execve os.execvp os.execvpe
            os.spawnl os.spawnle os.spawnlp os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe"""
        ),
        why="a container is one process with one thread, and ends with it",
        fix="compute in the method itself",
    ),
    Rule(
        use="environment",
        names=_names(
            """os.environ os.environb os.getenv os.getenvb os.putenv os.unsetenv os.uname os.getpid os.getcwd
            os.cpu_count platform getpass pwd grp sys.argv sys.stdin builtins.input builtins.breakpoint"""
        ),
        why="it differs from machine to machine, and a container has none of it",
        fix="take it as input, or write it down as a constant",
    ),
    Rule(
        use="unpickling",
        names=_names("pickle _pickle cPickle pickletools marshal shelve dill cloudpickle joblib jsonpickle copyreg"),
        why="reading such bytes runs whatever code they name, which nobody has measured",
        fix="use JSON or a pydantic model",
    ),
    Rule(
        use="native code",
        names=_names("ctypes _ctypes cffi cython numba importlib.machinery.ExtensionFileLoader sys.setdlopenflags"),
        why="it reaches past the language, and a container loads no library that was not granted",
        fix="write it in Python, or lock a binary wheel that has it",
        capability=NATIVE,
    ),
    Rule(
        use="code made at run time",
        names=_names("eval exec compile __import__ __builtins__", "builtins.")
        | _names("importlib.import_module importlib.reload importlib.util runpy code codeop types.CodeType imp"),
        why="what runs would be other code than what was measured",
        fix="import by name, and choose among functions with a table",
    ),
    Rule(
        use="clock",
        names=_names(
            "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time ctime sleep", "time."
        )
        | _names("localtime clock_gettime clock_gettime_ns process_time_ns thread_time thread_time_ns", "time.")
        | _names("datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today timeit"),
        why='determinism.mode is "strict", and only a container answers it with the time of the invocation',
        fix='take ctx.as_of; or write mode = "none"',
        is_chance=True,
    ),
    Rule(
        use="chance",
        names=_names("os.urandom os.getrandom secrets uuid.uuid1 uuid.uuid4 uuid.getnode random.SystemRandom")
        | _names(
            "random randint randrange randbytes choice choices sample shuffle uniform gauss getrandbits", "random."
        )
        | _names("triangular betavariate expovariate gammavariate normalvariate lognormvariate seed", "random."),
        why='determinism.mode is "strict", and only a container answers it from the seed of the invocation',
        fix='take ctx.random or ctx.entropy(SIZE); or write mode = "none"',
        is_chance=True,
    ),
)
