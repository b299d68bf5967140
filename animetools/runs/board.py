"""Curves and pictures for TensorBoard: event files, written by its own library."""

import os
import time
from typing import Any
from weakref import finalize

MISSING = "no curves for TensorBoard: pip install 'animetools[train]' brings it"


class Board:
    """An event file in a folder, which may hold others of the same run.

    TensorBoard goes through all of them, in the order of their names, and forgets what has a step
    beyond `seen` and came before this one.

    Raises ImportError without TensorBoard's library.
    """

    # Written at once and by the caller: torch's SummaryWriter has a thread for it, which prints a
    # traceback if the disk is full.
    def __init__(self, folder: str, seen: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        path = os.path.join(folder, f"events.out.tfevents.{time.time_ns()}")
        self.file = open(path, "xb")  # noqa: SIM115  until the end
        finalize(self, self.file.close)
        self.records = RecordWriter(self.file)
        self._write(file_version="brain.Event:2")
        start = SessionLog(status=SessionLog.START)
        self._write(step=seen + 1, session_log=start)

    def draw(self, values: dict[str, float], seen: int) -> None:
        """Add a point to each of these curves."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(step=seen, summary=Summary(value=points))

    def show(self, name: str, width: int, height: int, jpeg: bytes, seen: int) -> None:
        """Add a picture."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=jpeg)
        self._write(step=seen, summary=Summary(value=[Summary.Value(tag=name, image=image)]))

    def close(self) -> None:
        """No more points."""
        self.file.close()

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self.records.write(Event(wall_time=time.time(), **event).SerializeToString())
        self.file.flush()
