"""What the framework and an application see of the `STT` object itself."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from livekit.agents import Plugin, stt
from livekit.agents.job import JobExecutorType, JobProcess, _JobContextVar
from livekit.plugins import smallestai

from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.livekit import STT, SpeechStream, __version__
from pulse_plugins.livekit.options import with_job_proxy
from tests.support.patience import PATIENCE

LOCAL = "ws://127.0.0.1:1"


def test_every_argument_of_the_official_plugin_is_taken() -> None:
    official = inspect.signature(smallestai.STT.__init__).parameters
    ours = inspect.signature(STT.__init__).parameters
    assert set(official) <= set(ours)
    live = inspect.signature(smallestai.STT.update_options).parameters
    assert set(live) <= set(inspect.signature(STT.update_options).parameters)
    defaults = {
        name: parameter.default
        for name, parameter in official.items()
        if parameter.default is not inspect.Parameter.empty and name != "api_key"
    }
    made = STT(api_key="k", **defaults)  # its own defaults, said aloud
    assert (made.model, made.provider) == ("pulse", "SmallestAI")


def test_it_is_an_stt_by_name_and_type() -> None:
    made = STT(base_url=LOCAL)
    assert isinstance(made, stt.STT)
    assert issubclass(SpeechStream, stt.RecognizeStream)
    assert made.label == "pulse_plugins.livekit.stt.STT"
    assert made.metrics_metadata == {"model_name": "pulse", "model_provider": "SmallestAI"}


def test_capabilities_are_true() -> None:
    plain = STT(base_url=LOCAL).capabilities
    assert (plain.streaming, plain.interim_results, plain.offline_recognize) == (True, True, True)
    assert (plain.keyterms, plain.manual_flush, plain.chat_context) == (True, True, False)
    assert (plain.aligned_transcript, plain.diarization) == ("word", False)
    other = STT(
        base_url=LOCAL,
        diarize=True,
        redact_pci=True,
        word_timestamps=False,
        finalize_on_flush=False,
    ).capabilities
    assert (other.diarization, other.interim_results) == (True, False)
    assert (other.aligned_transcript, other.manual_flush) == (False, False)


def test_a_model_that_does_not_stream_is_for_recognize_alone() -> None:
    made = STT(base_url=LOCAL, model="pulse-pro")
    assert made.model == "pulse-pro"
    assert not made.capabilities.streaming
    with pytest.raises(ValueError, match="recognize"):
        made.stream()


def test_the_plugin_is_registered_once() -> None:
    (plugin,) = [p for p in Plugin.registered_plugins if p.title == "pulse_plugins.livekit"]
    assert plugin.version == __version__
    assert plugin.logger is not None
    assert plugin.logger.name == "livekit.plugins.pulse"


def test_it_can_be_imported_on_any_thread() -> None:
    code = (
        "import threading\n"
        "def load():\n"
        "    import pulse_plugins.livekit as ours\n"
        "    assert ours.STT(base_url='ws://127.0.0.1:1').capabilities.streaming\n"
        "    print('loaded')\n"
        "thread = threading.Thread(target=load)\n"
        "thread.start(); thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout.strip() == "loaded", done.stderr


def test_the_proxy_of_the_job_is_used_but_not_for_this_machine() -> None:
    class Context:
        proc = JobProcess(
            executor_type=JobExecutorType.THREAD,
            user_arguments=None,
            http_proxy="http://proxy.example:3128",
        )

    cloud = PulseOptions(api_key="k")
    token = _JobContextVar.set(Context())  # type: ignore[arg-type]
    try:
        assert with_job_proxy(cloud).proxy == "http://proxy.example:3128"
        assert with_job_proxy(cloud.changed(proxy="http://own:1")).proxy == "http://own:1"
        assert with_job_proxy(PulseOptions(base_url=LOCAL)).proxy is None
    finally:
        _JobContextVar.reset(token)
    assert with_job_proxy(cloud).proxy is None
