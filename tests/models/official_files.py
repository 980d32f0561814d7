"""How the official files of each family hold a backbone, as functions from its tensors.

Each function takes a state with timm's names and returns what `torch.save` is given: the names
and containers of the release, with the heads, students and queues that stand beside the backbone.
"""

import re
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]


def below(prefix: str, state: State, shift: float = 0.0) -> State:
    """Put a prefix before every name; another backbone beside it has shifted values."""
    return {f"{prefix}{name}": value + shift for name, value in state.items()}


def ones(*names: str) -> State:
    """Return tensors that are not the backbone's."""
    return {name: torch.ones(2, 2) for name in names}


def in_chunks(state: State, prefix: str) -> State:
    """Number blocks two by two, `blocks.CHUNK.INDEX`, below a prefix."""
    return below(
        prefix,
        {
            re.sub(r"^blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) // 2}.{m[1]}", name): value
            for name, value in state.items()
        },
    )


# --------------------------------------------------------------------- several families


def bare(state: State) -> Any:
    return state


def in_state_dict(state: State) -> Any:
    return {"state_dict": state}


def student_and_teacher(state: State) -> Any:
    """Hold a distributed student and a teacher, both with their heads."""
    student = {**below("module.backbone.", state, 1.0), **ones("module.head.mlp.0.bias")}
    return {"student": student, **teacher_alone(state), "epoch": 300}


def teacher_alone(state: State) -> Any:
    return {"teacher": {**below("backbone.", state), **ones("head.mlp.0.bias")}}


# -------------------------------------------------------------------------- one family


def dino_checkpoint(state: State) -> Any:
    teacher = below("backbone.", state)
    head = ones("head.mlp.0.weight", "head.last_layer.weight_g")
    return {"student": below("module.", teacher, 1.0), "teacher": {**teacher, **head}, "epoch": 3}


def without_counters(state: State) -> Any:
    """Hold a ResNet as some versions of torch saved it."""
    return {name: value for name, value in state.items() if "num_batches" not in name}


def dinov2_hub(state: State) -> Any:
    """Name the tensors as the hub does, and give the class token its position back."""
    found = {"mask_token": torch.zeros(1, 32)}
    for name, value in state.items():
        if "fc1" in name and value.shape[0] == 2 * state[name.replace("fc1", "fc2")].shape[-1]:
            name = name.replace("fc1", "w12")
        found[name.replace("reg_token", "register_tokens")] = value
    if "reg_token" in state:
        position = torch.full((1, 1, 32), 0.25)
        found["cls_token"] = state["cls_token"] - position
        found["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
    return found


def dinov2_swiglu(state: State) -> Any:
    return {n.replace("fc1", "w12").replace("fc2", "w3"): v for n, v in state.items()}


def dinov2_training(state: State) -> Any:
    head = {"module.dino_head.mlp.0.weight": torch.zeros(2)}
    return {"teacher": {**in_chunks(state, "module.backbone."), **head}}


def franca_training(state: State) -> Any:
    beside = ones("module.backbone.mask_token", "module.dino_head.mlp.0.weight")
    found = in_chunks(dinov2_swiglu(state), "module.backbone.")
    return {"teacher": {**found, **beside, **ones("module.ibot_head.x")}, "iteration": 1}


def dinov3_hub(state: State) -> Any:
    """Name the tensors as the hub does; what the masked bias of the key holds is never used."""
    found = {"mask_token": torch.zeros(1, 32), "rope_embed.periods": torch.ones(4)}
    found |= {"local_cls_norm.weight": torch.ones(32), "local_cls_norm.bias": torch.ones(32)}
    for name, value in state.items():
        if name.endswith("q_bias"):
            junk = torch.full_like(value, 9.0)
            parts = (value, junk, state[name.replace("q_bias", "v_bias")])
            found[name.replace("q_bias", "qkv.bias")] = torch.cat(parts)
            found[name.replace("q_bias", "qkv.bias_mask")] = torch.ones(96)
        elif not name.endswith("v_bias"):
            for old, new in (("reg_token", "storage_tokens"), ("fc1_g", "w1"), ("fc1_x", "w2")):
                name = name.replace(old, new)
            name = name.replace("fc2", "w3") if "blocks.0.mlp.fc1_g.weight" in state else name
            found[re.sub(r"gamma_([12])", r"ls\1.gamma", name)] = value
    return found


def dinov3_convnext(state: State) -> Any:
    found = {"norms.3.weight": torch.ones(24), "norms.3.bias": torch.ones(24)}
    for name, value in state.items():
        name = name.replace("stem.", "downsample_layers.0.").replace("head.norm", "norm")
        name = re.sub(r"stages\.(\d)\.downsample", r"downsample_layers.\1", name)
        name = name.replace("blocks.", "").replace("conv_dw", "dwconv")
        found[name.replace("mlp.fc", "pwconv")] = value
    return found


def ibot_checkpoint(state: State, student: float = 1.0, teacher: float = 0.0) -> Any:
    """Hold two backbones, with heads and what stands for masked patches."""
    beside = {"backbone.masked_embed": torch.zeros(1, 32), "head.mlp.0.weight": torch.zeros(2)}
    return {
        word: {**below("backbone.", state, shift), **beside}
        for word, shift in (("student", student), ("teacher", teacher))
    }


def ibot_student(state: State) -> Any:
    """Hold the student that was released, beside another teacher."""
    return ibot_checkpoint(state, student=0.0, teacher=1.0)


def leopart_state(state: State) -> Any:
    beside = ones("model.projection_head.0.weight", "model.prototypes.weight")
    return {**below("model.", state), **beside}


def leopart_lightning(state: State) -> Any:
    return {"epoch": 50, "state_dict": leopart_state(state), "optimizer_states": [{"state": {}}]}


def mae_encoder(state: State) -> Any:
    return {"model": state}


def mae_pretraining(state: State) -> Any:
    decoder = ones("decoder_embed.weight", "decoder_blocks.0.norm1.bias")
    return {"model": {**state, **decoder, "mask_token": torch.zeros(1, 1, 2)}, "epoch": 1}


def mocov2_query(state: State) -> Any:
    head = ones("fc.0.weight", "fc.2.bias")
    return {"state_dict": below("module.encoder_q.", {**state, **head})}


def mocov2_training(state: State) -> Any:
    key = below("module.encoder_k.", state, 1)
    queue = {"module.queue": torch.ones(3, 4), "module.queue_ptr": torch.zeros(1).long()}
    query = mocov2_query(state)["state_dict"]
    return {"epoch": 800, "arch": "resnet50", "state_dict": {**query, **key, **queue}}


def mocov3_training(state: State) -> Any:
    beside = {**state, "head.0.weight": torch.ones(2, 2), "head.1.running_mean": torch.ones(2)}
    found = below("module.base_encoder.", beside)
    found |= below("module.momentum_encoder.", beside, 1.0) | ones("module.predictor.0.weight")
    return {"epoch": 300, "arch": "vit_small", "state_dict": found}


def mosic_extractor(state: State) -> Any:
    return below("feature_extractor.model.", state)


def neco_release(state: State) -> Any:
    """Keep DINOv2's names where there are registers: one table for class token and patches."""
    if "reg_token" not in state:
        return state
    found = {name: value for name, value in state.items() if name != "reg_token"}
    found["register_tokens"] = state["reg_token"]
    found["pos_embed"] = torch.cat([torch.zeros(1, 1, 32), state["pos_embed"]], dim=1)
    return {**found, "mask_token": torch.zeros(1, 32)}


def swav_training(state: State) -> Any:
    beside = ones("projection_head.0.weight", "prototypes.weight")
    beside["projection_head.1.running_mean"] = torch.ones(2)
    return below("module.", {**state, **beside})


TIMET_WIDTHS = (32, 12, 10, 8, 6)
TIMET_PROTOTYPES = torch.randn(7, 6, generator=torch.Generator().manual_seed(6))


def timet_head(prefix: str) -> State:
    draw = torch.Generator().manual_seed(5)
    found = {}
    for i, (inner, outer) in enumerate(pairwise(TIMET_WIDTHS)):
        found[f"{prefix}{2 * i}.weight"] = torch.randn(outer, inner, generator=draw)
        found[f"{prefix}{2 * i}.bias"] = torch.randn(outer, generator=draw)
    return found


def timet_release(state: State) -> Any:
    backbone = below("feature_extractor.backbone.", state)
    return {
        **backbone,
        **timet_head("feature_extractor.head."),
        "prototypes": TIMET_PROTOTYPES,
    }


def timet_with_teacher(state: State) -> Any:
    beside = {**timet_head("teacher.head."), "teacher_prototypes": TIMET_PROTOTYPES + 1}
    return {**timet_release(state), **below("teacher.backbone.", state, 1), **beside}


def timet_checkpoint(state: State) -> Any:
    model = timet_with_teacher(state)
    return {"epoch": 3, "global_step": 9, "model": model, "optimizer": {"state": {}}}


def timet_other_components(state: State) -> Any:
    return below("a.b.", state)
