"""Which signals stop a job."""

from __future__ import annotations

import os
import signal

import pytest

from emosense.errors import Interrupted
from emosense.labelling.stopping import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_job_and_its_handler_goes_with_it(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = Stop()
    with pytest.raises(Interrupted) as caught, stop.installed():
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) == before


def test_a_job_that_nohup_started_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stop().installed():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_closes_twice_is_one_signal() -> None:
    with Stop().installed():
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
