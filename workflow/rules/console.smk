"""What a run says on the console: a line a job, and a line an epoch of a model in training.

Snakemake's own log, in .snakemake/log, keeps its eight lines a job, and errors are shown in full.
"""

import logging
import re
import threading
import time

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

TRAINING = re.compile(r" (model (\d+)(?: epoch |: test accuracy ).*)")
LOOK_S = 0.5

NOISE = ("Select jobs to execute...", "Loading script code for rule ")


class LineAJob(logging.Formatter):
    """A job that begins, in one line; everything else as the formatter before it has it."""

    def __init__(self, before):
        super().__init__()
        self.before = before
        self.jobs = ""

    def filter(self, record):
        """Whether a record is shown at all."""
        event = getattr(record, "event", None)
        if event == LogEvent.PROGRESS:
            self.jobs = f" {record.done}/{record.total}"
        return workflow.dryrun or not (
            event in (LogEvent.PROGRESS, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED)
            or str(record.msg).startswith(NOISE)
        )

    def format(self, record):
        job = getattr(record, "event", None) == LogEvent.JOB_INFO and record.rule_msg
        if workflow.dryrun or not job:
            return self.before.format(record)
        return f"[{time.strftime('%H:%M:%S')}]{self.jobs} {record.rule_msg}"


class Epochs(logging.Filter):
    """Says what one training after another writes to its log, as long as any runs.

    Of a job's models the first is followed by the epoch; of the others their ends are told.
    """

    def __init__(self):
        super().__init__()
        self.running = {}
        self.follower = None

    def filter(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO and record.rule_name == "train_models":
            if not workflow.dryrun:
                self.running[record.jobid] = (Path(record.log[0]), record.wildcards)
                self.start()
        elif event == LogEvent.JOB_FINISHED:
            self.running.pop(record.job_id, None)
        elif event == LogEvent.JOB_ERROR:
            self.running.pop(record.jobid, None)
        return True

    def start(self):
        if self.follower is None:
            self.follower = threading.Thread(target=self.follow, daemon=True)
            self.follower.start()

    def follow(self):
        while True:
            for job, (log, wildcards) in list(self.running.items())[:1]:
                network = f"{wildcards['network']} on {wildcards['dataset']}"
                self.tell(job, log, network)
            time.sleep(LOOK_S)

    def tell(self, job, log, network):
        """What is written from now on, to the job's end."""
        first, over = None, False
        place = log.stat().st_size if log.exists() else 0
        while not over:
            time.sleep(LOOK_S)
            over = job not in self.running
            if not log.exists():
                continue
            with log.open("rb") as file:
                file.seek(place)
                text = file.read()
            text = text[: text.rfind(b"\n") + 1]  # whole lines
            place += len(text)
            for line, model in TRAINING.findall(text.decode()):
                first = first or model
                if model == first or "epoch" not in line:
                    logger.info(f"           {network}, {line}")


if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    logger.addFilter(Epochs())
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            lines = LineAJob(handler.formatter)
            handler.addFilter(lines)
            handler.setFormatter(lines)
