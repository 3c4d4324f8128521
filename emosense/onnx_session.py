"""ONNX graphs: each is one file, and runs on one thread."""

from __future__ import annotations

import mmap
import re
from typing import Any, Final

from emosense.errors import RecordingError

# The key of a tensor that lies in another file, in every encoding that protobuf reads; onnxruntime would open it.
_EXTERNAL: Final = re.compile(rb"(?:\x0a|\x8a\x80{0,3}\x00)(?:\x08|\x88\x80{0,8}\x00)location")
_KEY: Final = b"location"
_LONGEST_HEAD: Final = 15


def refers_to_other_files(graph: bytes | mmap.mmap) -> bool:
    """Whether a serialised graph has tensors in files of their own, which anyone could exchange."""
    # The key alone is found at the speed of memory, the whole expression at a hundredth of it: encoders are large.
    at = graph.find(_KEY)
    while at >= 0:
        if _EXTERNAL.search(graph, max(0, at - _LONGEST_HEAD), at + len(_KEY)):
            return True
        at = graph.find(_KEY, at + 1)
    return False


def open_session(graph: bytes | str) -> Any:
    """Load a graph, from its bytes or its file; onnxruntime raises what it likes for one that it refuses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread a worker: the workers are the parallelism, and threads that wait by spinning would fight.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_session(session: Any, output: str, feeds: dict[str, Any], what: str) -> Any:
    """Return one output of a graph that hears a recording; `what` names the graph where it fails.

    Raises
    ------
    RecordingError
        ``model_error``.
    """
    try:
        (found,) = session.run([output], feeds)
    except Exception as err:  # of classes that derive from Exception alone
        raise RecordingError("model_error", f"the {what} fails: {str(err).partition(chr(10))[0]}") from err
    return found
