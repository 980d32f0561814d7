import pytest
import torch

from tvseg_bench.benchmark.devices import float32_convolutions, out_of_memory, resolve_device
from tvseg_bench.benchmark.errors import UsageError


def test_devices_are_resolved_or_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match=r"'cuda:1' is not there: this machine offers 0 .*auto"):
        resolve_device("cuda:1")
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        resolve_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(UsageError, match="offers 1 of type 'cuda'"):
        resolve_device("cuda:1")


def test_convolutions_on_cuda_stay_in_float32():
    cudnn = torch.backends.cudnn
    before = (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic)
    with float32_convolutions(torch.device("cuda")):
        assert (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic) == (before[0], False, True)
    assert (cudnn.enabled, cudnn.allow_tf32, cudnn.deterministic) == before


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.cuda.OutOfMemoryError("tried to allocate"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_the_words_for_no_memory_are_known(error: Exception, expected: bool):
    assert out_of_memory(error) is expected
