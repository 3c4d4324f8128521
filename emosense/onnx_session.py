"""ONNX graphs in ONNX Runtime: each is a single file and runs on one thread."""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from typing import Any, Final

from emosense.errors import RecordingError

# The key of a tensor that is stored in another file, in every encoding that protobuf reads; onnxruntime would open it.
_EXTERNAL: Final = re.compile(rb"(?:\x0a|\x8a\x80{0,3}\x00)(?:\x08|\x88\x80{0,8}\x00)location")
_KEY: Final = b"location"
_LONGEST_HEAD: Final = 15


def refers_to_other_files(graph: bytes | mmap.mmap) -> bool:
    """Check whether a graph keeps tensors in other files, which no hash of the graph covers.

    Parameters
    ----------
    graph : bytes or mmap
        The serialised graph.

    Returns
    -------
    bool
        Whether it names another file.
    """
    # A search for the key runs at the speed of memory, the whole expression at a hundredth of it: encoders are large.
    at = graph.find(_KEY)
    while at >= 0:
        if _EXTERNAL.search(graph, max(0, at - _LONGEST_HEAD), at + len(_KEY)):
            return True
        at = graph.find(_KEY, at + 1)
    return False


def open_session(graph: bytes | str) -> Any:
    """Load a graph. For a graph that it refuses, ONNX Runtime raises exceptions of many classes.

    Parameters
    ----------
    graph : bytes or str
        The serialised graph, or the path of its file.

    Returns
    -------
    onnxruntime.InferenceSession
        A session on the CPU with one thread.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread per worker: the workers are the parallelism, and threads that spin while they wait would compete.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Recordings differ in length, and a plan of the memory would be kept for each length.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # It keeps the graph to load it anew on other devices, of which there are none: 8 MB of each worker with `default`.
    session._model_bytes = None
    return session


def run_session(session: Any, output: str, feeds: dict[str, Any], what: str) -> Any:
    """Run a graph on one recording.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        What `open_session` returns.
    output : str
        Name of the output to compute.
    feeds : dict of str to ndarray
        The inputs by name.
    what : str
        What the graph is called in the message of an error.

    Returns
    -------
    ndarray
        The output.

    Raises
    ------
    RecordingError
        With the code ``model_error`` if the graph fails.
    """
    return run_outputs(session, (output,), feeds, what)[0]


def run_outputs(session: Any, outputs: Sequence[str], feeds: dict[str, Any], what: str) -> list[Any]:
    """Run a graph on one recording, for several outputs.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        What `open_session` returns.
    outputs : sequence of str
        Names of the outputs to compute.
    feeds : dict of str to ndarray
        The inputs by name.
    what : str
        What the graph is called in the message of an error.

    Returns
    -------
    list of ndarray
        The outputs, in this order.

    Raises
    ------
    RecordingError
        With the code ``model_error`` if the graph fails.
    """
    try:
        found: list[Any] = session.run([*outputs], feeds)
    except Exception as err:  # ONNX Runtime's exceptions have no common base but Exception
        raise RecordingError("model_error", f"the {what} fails: {str(err).partition(chr(10))[0]}") from err
    return found
