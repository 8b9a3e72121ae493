"""ncnn's pairs of files and ONNX open as models: computed, imported, and refused in words where they cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from spandrel.architectures.Compact import Compact
from torch import nn

from core.contract.cancel import CancelToken
from core.contract.errors import UserError
from core.contract.models import ImportRequest, ModelAdded
from core.models.blend import blend_files
from core.models.card import read_card
from core.models.catalogue import find_model, models, remove_model, rename_model
from core.models.graph_files import digest_of, files_of, read_graph, save_graph
from core.models.graph_module import GraphModule
from core.models.importing import import_models
from core.models.serving import load_served
from core.upscale.engine import open_engine
from tests.core.models.ncnn_weights import ncnn_files, state_of
from tests.core.networks import save_small_model

FP16 = 0x01306B47


def ncnn_pair(folder: Path, layers: list[str], data: bytes, name: str = "net-x2") -> Path:
    """A small model of ncnn's."""
    blobs = sum(int(line.split()[3]) for line in layers)
    text = "\n".join(["7767517", f"{len(layers)} {blobs}", *layers]) + "\n"
    (folder / f"{name}.param").write_text(text)
    (folder / f"{name}.bin").write_bytes(data)
    return folder / f"{name}.param"


def small_ncnn(folder: Path, *, mark: int = 0, numbers: Any = np.float32, name: str = "net-x2") -> Path:
    """A convolution to 12 channels and a pixel shuffle."""
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(0, 0.1, 324).astype(numbers), rng.normal(0, 0.1, 12).astype(np.float32)
    layers = [
        "Input data 0 1 data",
        "Convolution conv 1 1 data a 0=12 1=3 4=1 5=1 6=324 9=2 -23310=1,2.0e-01",
        "PixelShuffle shuffle 1 1 a output 0=2",
    ]
    return ncnn_pair(folder, layers, np.uint32(mark).tobytes() + weight.tobytes() + bias.tobytes(), name)


def ncnns_own(param: Path, x: np.ndarray, given: str = "data", wanted: str = "output") -> np.ndarray:
    """What ncnn itself makes of a picture."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    assert net.load_param(str(param)) == 0
    assert net.load_model(str(param.with_suffix(".bin"))) == 0
    extractor = net.create_extractor()
    extractor.input(given, ncnn.Mat(x).clone())
    return np.array(extractor.extract(wanted)[1]).clip(0, 1)


def of_torch(path: Path, x: np.ndarray) -> np.ndarray:
    network, _card = load_served([(path, 1.0)])
    with torch.inference_mode():
        return network(torch.from_numpy(x)[None])[0].numpy()


def picture(height: int = 14, width: int = 19) -> np.ndarray:
    return np.random.default_rng(1).random((3, height, width), np.float32)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_real_ncnn_files_give_what_ncnn_gives(scale: int) -> None:
    param, _binary = ncnn_files(f"realesr-animevideov3-x{scale}")
    x = picture()
    found = of_torch(param, x)
    assert found.shape == (3, 14 * scale, 19 * scale)
    assert np.abs(found - ncnns_own(param, x)).max() < 1 / 255
    model = find_model(str(param))
    assert (model.card.scale, model.card.architecture, model.card.license) == (scale, "ncnn", "")
    assert model.card.name == f"realesr-animevideov3-x{scale}"
    # 16 convolutions and what lies around them see 20 pixels far, so that tiles agree.
    engine = open_engine(str(param), "cpu", "fp32", tile=12)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 26, 3), np.uint8)
    whole = open_engine(str(param), "cpu", "fp32", tile=64).upscale(pixels, CancelToken())
    assert np.abs(engine.upscale(pixels, CancelToken()).astype(int) - whole).max() <= 1
    assert engine.take_notes() == ()


def test_a_real_esrgan_of_ncnn_is_the_one_of_torch(tmp_path: Path) -> None:
    param, _binary = ncnn_files("realesrgan-x4plus-anime")
    torch.save({"params": state_of("realesrgan-x4plus-anime")}, tmp_path / "anime.pth")
    x = picture(10, 9)
    assert np.abs(of_torch(param, x) - of_torch(tmp_path / "anime.pth", x)).max() < 1 / 255
    assert read_graph(param).geometry().reach == 48
    assert load_served([(param, 1.0)])[0].blended, "what looks so far is blended across seams"


@pytest.mark.parametrize(("mark", "numbers"), [(0, np.float32), (0x0002C056, np.float32), (FP16, np.float16)])
def test_weights_of_16_and_32_bits_are_read(mark: int, numbers: Any, tmp_path: Path) -> None:
    param = small_ncnn(tmp_path, mark=mark, numbers=numbers)
    x = picture()
    np.testing.assert_allclose(of_torch(param, x), ncnns_own(param, x), atol=1e-5)
    assert open_engine(str(param.with_suffix(".bin")), "cpu", "fp32").scale == 2, "either file opens the pair"


MORE_LAYERS: dict[str, tuple[list[str], int]] = {
    "by channel": (["ConvolutionDepthWise c 1 1 data output 0=3 1=3 4=1 5=1 6=27 7=3"], 30),
    "padding": (
        ["Padding p 1 1 data a 0=2 1=2 2=2 3=2 4=2", "Convolution c 1 1 a output 0=3 1=5 5=0 6=225"],
        225,
    ),
    "deconvolution": (["Deconvolution d 1 1 data output 0=3 1=4 3=2 4=1 5=1 6=144"], 147),
    "crop": (
        ["Padding p 1 1 data a 0=1 1=2 2=3 3=4 4=1", "Crop c 1 1 a output 0=3 1=1 3=-233 4=-233 5=-233 6=4 7=2"],
        0,
    ),
    "gate": (
        [
            "Split s 1 2 data a b",
            "Pooling p 1 1 b c 0=1 4=1",
            "InnerProduct f 1 1 c d 0=3 1=1 2=9 9=4",
            "BinaryOp m 2 1 a d output 0=2",
        ],
        12,
    ),
    "slices": (
        ["Slice s 1 3 data a b c -23300=3,-233,-233,-233 1=0", "Concat j 3 1 c a b output 0=0"],
        0,
    ),
    "numbers": (["BinaryOp a 1 1 data a 0=2 1=1 2=5.0e-01", "BinaryOp r 1 1 a output 0=7 1=1 2=1.0"], 0),
    "sum": (["Split s 1 2 data a b", "Eltwise e 2 1 a b output 0=1 -23301=2,3.0e-01,0.5"], 0),
    "constant": (["MemoryData m 0 1 m 0=1 1=1 2=3", "BinaryOp a 2 1 data m output 0=0"], 3),
    "hard": (["HardSwish h 1 1 data a", "HardSigmoid i 1 1 a output"], 0),
    "normal": (["BatchNorm b 1 1 data a 0=3", "Clip c 1 1 a output 0=0.0 1=1.0"], 12),
    "unshuffled": (["Reorg r 1 1 data a 0=2", "PixelShuffle s 1 1 a output 0=2"], 0),
    "same size": (["Convolution c 1 1 data output 0=3 1=3 4=-233 5=1 6=81 9=2 -23310=1,2.0e-01"], 84),
    "rings": (["Convolution c 1 1 data output 0=3 1=3 2=2 4=2 6=81 9=3 -23310=2,1.0e-01,8.0e-01"], 81),
    "squares": (["UnaryOp q 1 1 data a 0=4", "UnaryOp r 1 1 a output 0=5"], 0),
    "signs": (["UnaryOp n 1 1 data a 0=1", "UnaryOp a 1 1 a b 0=0", "UnaryOp t 1 1 b output 0=16"], 0),
    "powers": (["UnaryOp n 1 1 data a 0=1", "UnaryOp e 1 1 a output 0=7"], 0),
    "scaled": (["Scale s 1 1 data a 0=3 1=1", "Bias b 1 1 a output 0=3"], 9),
    "smooth": (
        ["BinaryOp c 1 1 data a 0=1 1=1 2=0.4", "Swish s 1 1 a b", "Mish m 1 1 b c", "GELU g 1 1 c output"],
        0,
    ),
    "slopes": (
        ["BinaryOp c 1 1 data a 0=1 1=1 2=0.5", "ELU e 1 1 a b 0=1.0", "ReLU r 1 1 b c 0=0.2", "TanH t 1 1 c output"],
        0,
    ),
    "slope of each": (["BinaryOp c 1 1 data a 0=1 1=1 2=0.5", "PReLU p 1 1 a output 0=3"], 3),
    "larger": (["Split s 1 2 data a b", "BinaryOp h 1 1 b c 0=2 1=1 2=0.7", "BinaryOp m 2 1 a c output 0=4"], 0),
    "smaller": (["BinaryOp m 1 1 data a 0=5 1=1 2=0.6", "BinaryOp n 1 1 a output 0=4 1=1 2=0.2"], 0),
    "quotient": (
        [
            "BinaryOp q 1 1 data a 0=3 1=1 2=2.0",
            "Split s 1 2 a b c",
            "BinaryOp p 1 1 c d 0=0 1=1 2=1.5",
            "BinaryOp d 2 1 b d output 0=3",
        ],
        0,
    ),
    "turned quotient": (
        ["Split s 1 2 data b c", "BinaryOp p 1 1 c d 0=0 1=1 2=1.5", "BinaryOp d 2 1 d b output 0=8"],
        0,
    ),
    "turned difference": (["Split s 1 2 data a b", "Sigmoid m 1 1 b c", "BinaryOp d 2 1 a c output 0=7"], 0),
    "difference": (["Split s 1 2 data a b", "Mish m 1 1 b c", "BinaryOp d 2 1 a c output 0=1"], 0),
    "less from it": (["BinaryOp r 1 1 data a 0=7 1=1 2=1.0", "BinaryOp q 1 1 a output 0=1 1=1 2=0.25"], 0),
    "product": (["Split s 1 2 data a b", "Sigmoid m 1 1 b c", "Eltwise e 2 1 a c output 0=0"], 0),
    "largest": (["Split s 1 2 data a b", "Sigmoid m 1 1 b c", "Eltwise e 2 1 a c output 0=2"], 0),
    "bilinear": (["Interp i 1 1 data output 0=2 1=2.0 2=2.0"], 0),
    "bicubic": (["Interp i 1 1 data output 0=3 1=2.0 2=2.0"], 0),
    "nearest": (["Interp i 1 1 data output 0=1 1=3.0 2=3.0"], 0),
    "average": (["Pooling p 1 1 data a 0=1 1=2 2=2 5=1", "Interp i 1 1 a output 0=1 1=2.0 2=2.0"], 0),
    "maximum": (["Pooling p 1 1 data a 0=0 1=3 2=1 3=1 5=1", "Noop n 1 1 a output"], 0),
    "cut by axes": (
        [
            "Padding p 1 1 data a 0=2 1=2 2=2 3=2 4=0 5=0.0",
            "Crop c 1 1 a output -23309=2,1,3 -23310=2,-3,-1 -23311=2,1,2",
        ],
        0,
    ),
    "flat": (
        [
            "Split s 1 2 data a b",
            "Pooling p 1 1 b c 0=1 4=1",
            "Flatten f 1 1 c d",
            "InnerProduct i 1 1 d e 0=3 2=9",
            "Reshape r 1 1 e f 0=1 1=1 2=3",
            "BinaryOp m 2 1 f a output 0=0",
        ],
        9,
    ),
}


@pytest.mark.parametrize("name", MORE_LAYERS)
def test_layers_are_read_as_ncnn_does(name: str, tmp_path: Path) -> None:
    layers, count = MORE_LAYERS[name]
    numbers = np.random.default_rng(2).uniform(0.05, 0.3, count).astype(np.float32)
    # Where weights begin with a mark, that of float32 is 0.
    marked = any(word in "".join(layers) for word in ("onvolution", "InnerProduct"))
    data = (bytes(4) if marked else b"") + numbers.tobytes()
    param = ncnn_pair(tmp_path, ["Input data 0 1 data", *layers], data)
    x = picture(12, 16)
    found = of_torch(param, x)
    wanted = ncnns_own(param, x)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_ncnn_files_are_imported_listed_renamed_and_removed(tmp_path: Path, user_folder: Path) -> None:
    folder = tmp_path / "upscayl"
    folder.mkdir()
    small_ncnn(folder, name="first-x2")
    small_ncnn(folder, mark=FP16, numbers=np.float16, name="second-x2")
    request = ImportRequest(tuple(sorted(folder.glob("*.param"))))
    first, second = import_models(request, CancelToken())
    assert isinstance(first, ModelAdded)
    assert first.path == user_folder / "first-x2.safetensors"
    assert "licence is not known" in first.notes[0]
    card = read_card(first.path)
    assert (card.scale, card.architecture, card.size) == (2, "ncnn", "1 convolutions")
    assert "Imported from first-x2.param" in card.description
    x = picture()
    np.testing.assert_array_equal(of_torch(first.path, x), of_torch(folder / "first-x2.param", x))
    (again,) = import_models(ImportRequest((folder / "first-x2.bin",)), CancelToken())
    assert again.key == "first-x2"
    assert rename_model("first-x2", "Mine").card.scale == 2
    np.testing.assert_array_equal(of_torch(find_model("Mine").path, x), of_torch(folder / "first-x2.param", x))
    # Dropped into the folder of models as they are, they work as well.
    for each in folder.iterdir():
        shutil.copy(each, user_folder / f"raw-{each.name}")
    assert {"raw-first-x2", "raw-second-x2"} <= {model.key for model in models()}
    remove_model("raw-second-x2")
    assert not list(user_folder.glob("raw-second*"))
    assert not find_model("raw-first-x2").trainable
    assert second.key == "second-x2"


def test_both_files_of_a_pair_decide(tmp_path: Path) -> None:
    param = small_ncnn(tmp_path)
    before = digest_of(param)
    data = bytearray(param.with_suffix(".bin").read_bytes())
    data[10] ^= 1
    param.with_suffix(".bin").write_bytes(data)
    assert digest_of(param) != before
    assert files_of(param.with_suffix(".bin")) == (param, param.with_suffix(".bin"))


def test_what_a_graph_cannot_be_used_for_is_said(tmp_path: Path) -> None:
    param, ours = small_ncnn(tmp_path), save_small_model(tmp_path / "ours.safetensors")
    with pytest.raises(UserError, match="cannot be blended"):
        blend_files(str(ours), str(param), 0.5, tmp_path / "out.safetensors")
    with pytest.raises(UserError, match="not mixed"):
        load_served([(param, 0.5), (param, 0.5)])


@pytest.mark.parametrize(
    ("layers", "data", "says"),
    [
        (["Input i 0 1 data", "LSTM l 1 1 data out 0=3"], b"", "layer “LSTM” (l)"),
        (["Input i 0 1 data", "Convolution c 1 1 data out 0=3 1=1 5=0 6=9 8=1"], b"", "integers of 8 bits"),
        (
            ["Input i 0 1 data", "Convolution c 1 1 data out 0=3 1=1 5=0 6=9"],
            np.uint32(0x000D4B38).tobytes(),
            "integers of 8 bits",
        ),
        (["Input i 0 1 data", "Convolution c 1 1 data out 0=3 1=1 5=0 6=9"], bytes([1] * 4), "quantised"),
        (["Input i 0 1 data", "Convolution c 1 1 data out 0=3 1=1 5=0 6=9"], bytes(12), "fewer weights"),
        (["Input i 0 1 data", "ReLU r 1 1 data out"], bytes(40), "more weights"),
        (["Input i 0 1 data", "Interp r 1 1 data out 0=1 3=100 4=100"], b"", "size of its own"),
        (["Input i 0 1 data", "Convolution c 1 1 data out 0=3 1=3 5=0 6=81"], bytes(328), "whole multiple"),
        (["Input i 0 1 data", "Pooling p 1 1 data out 0=0 1=2 2=2 5=1"], b"", "whole multiple"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(layers: list[str], data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_graph(ncnn_pair(tmp_path, layers, data))
    assert says in caught.value.message
    assert "net-x2.param" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("ELU e 1 1 data out 0=0.5", "layer ELU has options"),
        ("UnaryOp u 1 1 data out 0=9", "layer UnaryOp 9 has options"),
        ("BinaryOp b 1 1 data out 0=6 1=1 2=2.0", "layer BinaryOp 6 has options"),
        ("BinaryOp b 1 1 data out 0=3 1=1 2=0.0", "layer BinaryOp uses constants"),
        ("BinaryOp b 1 1 data out 0=8 1=1 2=1.0", "layer BinaryOp uses constants"),
        ("Eltwise e 1 1 data out 0=3", "layer Eltwise 3 has options"),
        ("Eltwise e 1 1 data out 0=1 -23301=2,1.0,1.0", "layer Eltwise 1 has options"),
        ("Concat c 1 1 data out 0=1", "layer Concat has options"),
        ("Slice s 1 1 data out -23300=1,3 1=2", "layer Slice has options"),
        ("Slice s 1 1 data out -23300=2,1,2 1=0", "layer Slice has options"),
        ("PixelShuffle p 1 1 data out 0=1 1=1", "layer PixelShuffle has options"),
        ("Reorg r 1 1 data out 0=2 1=1", "layer Reorg has options"),
        ("Interp i 1 1 data out 0=4 1=2.0 2=2.0", "layer Interp has options"),
        ("Interp i 1 1 data out 0=1 1=2.0 2=3.0", "layer Interp has options"),
        ("Pooling p 1 1 data out 0=0 4=1", "layer Pooling has a size of its own"),
        ("Pooling p 1 1 data out 0=1 7=1 8=4", "layer Pooling has a size of its own"),
        ("Pooling p 1 1 data out 0=0 1=2 2=2 5=0", "layer Pooling has options"),
        ("Pooling p 1 1 data out 0=0 1=2 11=3 2=2 5=1", "width and height differently"),
        ("Padding p 1 1 data out 0=1 1=1 2=1 3=1 4=0 5=0.5", "layer Padding has options"),
        ("Crop c 1 1 data out 0=1 1=1 3=8 4=8 5=3", "layer Crop has a size of its own"),
        ("Crop c 1 1 data out -23309=1,-2 -23310=1,-1 -23311=1,1", "layer Crop has a size of its own"),
        ("Reshape r 1 1 data out 0=4 1=4 2=3", "layer Reshape has options"),
        ("Flatten f 1 1 data out", "layer Reshape has options"),
        ("InnerProduct i 1 1 data out 0=3 1=0 2=9", "layer InnerProduct has a size of its own"),
        ("Scale s 1 1 data out 0=5", "weights do not fit (Scale)"),
        ("Convolution c 1 1 data out 0=3 1=3 5=0 6=80", "weights do not fit (Convolution)"),
        ("Convolution c 1 1 data out 0=3 1=2 4=-233 5=0 6=36", "layer Convolution has options"),
        ("Convolution c 1 1 data out 0=3 1=1 5=0 6=9 9=7", "activation 7"),
        ("ReLU r 1 2 data out more", "parts do not fit"),
        ("ReLU r 1 1 data out -23300=2,1", "damaged or cut short"),
        ("ReLU r 9 1 data out", "damaged or cut short"),
        ("ReLU r 1 1 nowhere out", "damaged or cut short"),
    ],
)
def test_options_that_are_not_known_are_refused(layer: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_graph(ncnn_pair(tmp_path, ["Input i 0 1 data", layer], bytes(400)))
    assert says in caught.value.message
    assert "net-x2.param" in caught.value.message


def test_a_param_without_its_bin(tmp_path: Path) -> None:
    param = small_ncnn(tmp_path)
    param.with_suffix(".bin").unlink()
    with pytest.raises(UserError, match="weights are not beside it") as caught:
        find_model(str(param))
    assert "net-x2.bin" in caught.value.hint


def onnx_file(
    path: Path, nodes: list[Any], weights: dict[str, np.ndarray], *, channels: int = 3, **options: Any
) -> Path:
    """A network of these operators, from `lr` to `sr`."""
    kind = options.pop("kind", TensorProto.FLOAT)
    given = [helper.make_tensor_value_info("lr", kind, [1, channels, "h", "w"])]
    result = [helper.make_tensor_value_info("sr", kind, None)]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "net", given, result, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", options.pop("opset", 18))], ir_version=9)
    onnx.save(model, path, **options)
    return path


def small_onnx(path: Path, numbers: Any = np.float32, **options: Any) -> Path:
    rng = np.random.default_rng(0)
    weights = {"w": rng.normal(0, 0.1, (12, 3, 3, 3)), "b": rng.normal(0, 0.1, 12), "slope": np.full((12, 1, 1), 0.2)}
    nodes = [
        helper.make_node("Conv", ["lr", "w", "b"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("PRelu", ["a", "slope"], ["c"]),
        helper.make_node("DepthToSpace", ["c"], ["sr"], blocksize=2, mode="CRD"),
    ]
    return onnx_file(path, nodes, {name: value.astype(numbers) for name, value in weights.items()}, **options)


def onnxruntimes(path: Path, x: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"lr": x[None]})[0])[0].clip(0, 1)


def test_onnx_gives_what_onnxruntime_gives_and_is_imported(tmp_path: Path, user_folder: Path) -> None:
    path = small_onnx(tmp_path / "net.onnx")
    x = picture()
    np.testing.assert_allclose(of_torch(path, x), onnxruntimes(path, x), atol=1e-5)
    (added,) = import_models(ImportRequest((path,)), CancelToken())
    card = read_card(added.path)
    assert (card.scale, card.architecture) == (2, "ONNX")
    np.testing.assert_array_equal(of_torch(added.path, x), of_torch(path, x))


def test_weights_of_half_precision_and_in_a_file_beside(tmp_path: Path) -> None:
    x = picture()
    wanted = of_torch(small_onnx(tmp_path / "net.onnx"), x)
    half = small_onnx(tmp_path / "half.onnx", np.float16, kind=TensorProto.FLOAT16)
    np.testing.assert_allclose(of_torch(half, x), wanted, atol=1e-3)
    beside = small_onnx(tmp_path / "beside.onnx", save_as_external_data=True, size_threshold=0, location="beside.data")
    assert files_of(beside) == (beside, tmp_path / "beside.data")
    np.testing.assert_array_equal(of_torch(beside, x), wanted)
    before = digest_of(beside)
    (tmp_path / "beside.data").write_bytes(bytes(reversed((tmp_path / "beside.data").read_bytes())))
    assert digest_of(beside) != before
    (tmp_path / "beside.data").write_bytes(b"short")
    with pytest.raises(UserError, match="cut short"):
        read_graph(beside)


@pytest.mark.parametrize("name", ["../secret.data", "/etc/passwd", "a/../../x"])
def test_weights_elsewhere_are_not_read(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = small_onnx(folder / "net.onnx", save_as_external_data=True, size_threshold=0, location="beside.data")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = name
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="outside its own folder"):
        read_graph(path)
    with pytest.raises(UserError, match="outside its own folder"):
        find_model(str(path))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = small_onnx(folder / "net.onnx", save_as_external_data=True, size_threshold=0, location="beside.data")
    (folder / "beside.data").rename(tmp_path / "elsewhere.data")
    (folder / "beside.data").symlink_to(tmp_path / "elsewhere.data")
    with pytest.raises(UserError, match="outside its own folder"):
        read_graph(path)


OPERATORS: dict[str, tuple[list[Any], dict[str, np.ndarray]]] = {
    "resized": (
        [helper.make_node("Resize", ["lr", "", "scales"], ["sr"], mode="cubic")],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "nearest": (
        [helper.make_node("Resize", ["lr", "", "scales"], ["sr"], mode="nearest")],
        {"scales": np.array([1, 1, 3, 3], np.float32)},
    ),
    "depth first": (
        [
            helper.make_node("Conv", ["lr", "w"], ["a"], pads=[1, 1, 1, 1], group=3),
            helper.make_node("DepthToSpace", ["a"], ["b"], blocksize=2, mode="DCR"),
            helper.make_node("SpaceToDepth", ["b"], ["c"], blocksize=2),
            helper.make_node("DepthToSpace", ["c"], ["sr"], blocksize=2, mode="CRD"),
        ],
        {"w": np.random.default_rng(0).normal(0, 0.2, (12, 1, 3, 3)).astype(np.float32)},
    ),
    "transposed": (
        [helper.make_node("ConvTranspose", ["lr", "w"], ["sr"], strides=[2, 2], pads=[1, 1, 1, 1])],
        {"w": np.random.default_rng(0).normal(0, 0.2, (3, 3, 4, 4)).astype(np.float32)},
    ),
    "gate": (
        [
            helper.make_node("GlobalAveragePool", ["lr"], ["a"]),
            helper.make_node("Sigmoid", ["a"], ["b"]),
            helper.make_node("Mul", ["b", "lr"], ["sr"]),
        ],
        {},
    ),
    "constants": (
        [
            helper.make_node("Sub", ["one", "lr"], ["a"]),
            helper.make_node("Div", ["a", "two"], ["b"]),
            helper.make_node("Clip", ["b", "low", "two"], ["sr"]),
        ],
        {"one": np.ones((1, 3, 1, 1), np.float32), "two": np.array(2, np.float32), "low": np.array(0.1, np.float32)},
    ),
    "padded and cut": (
        [
            helper.make_node("Pad", ["lr", "pads"], ["a"], mode="reflect"),
            helper.make_node("Slice", ["a", "from", "to", "axes"], ["sr"]),
        ],
        {
            "pads": np.array([0, 0, 2, 2, 0, 0, 2, 2]),
            "from": np.array([1, 3]),
            "to": np.array([-3, -1]),
            "axes": np.array([2, 3]),
        },
    ),
    "in a row": (
        [
            helper.make_node("Sub", ["lr", "half"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Neg", ["a"], ["c"]),
            helper.make_node("LeakyRelu", ["c"], ["d"], alpha=0.3),
            helper.make_node("Exp", ["d"], ["e"]),
            helper.make_node("Tanh", ["e"], ["f"]),
            helper.make_node("Add", ["b", "f"], ["sr"]),
        ],
        {"half": np.array(0.5, np.float32)},
    ),
    "bent": (
        [
            helper.make_node("Sub", ["lr", "half"], ["a"]),
            helper.make_node("Mish", ["a"], ["b"]),
            helper.make_node("Abs", ["b"], ["c"]),
            helper.make_node("Sqrt", ["c"], ["d"]),
            helper.make_node("HardSwish", ["a"], ["e"]),
            helper.make_node("HardSigmoid", ["e"], ["f"], alpha=0.3, beta=0.4),
            helper.make_node("Elu", ["a"], ["g"]),
            helper.make_node("Sub", ["d", "f"], ["h"]),
            helper.make_node("Max", ["g", "h"], ["i"]),
            helper.make_node("Min", ["i", "a"], ["sr"]),
        ],
        {"half": np.array([[[0.5]], [[0.4]], [[0.6]]], np.float32)},
    ),
    "ends": (
        [
            helper.make_node("Max", ["low", "lr"], ["a"]),
            helper.make_node("Min", ["a", "high"], ["b"]),
            helper.make_node("Pow", ["b", "two"], ["c"]),
            helper.make_node("Pow", ["c", "root"], ["sr"]),
        ],
        {
            "low": np.array(0.2, np.float32),
            "high": np.array([0.7], np.float32),
            "two": np.array(2, np.float32),
            "root": np.array(0.5, np.float32),
        },
    ),
    "normal": (
        [helper.make_node("BatchNormalization", ["lr", "one", "two", "mean", "spread"], ["sr"], epsilon=1e-3)],
        {
            "one": np.array([0.5, 1, 2], np.float32),
            "two": np.array([0.2, 0.1, 0], np.float32),
            "mean": np.array([0.1, 0.5, 0.3], np.float32),
            "spread": np.array([0.5, 1, 2], np.float32),
        },
    ),
    "quotient": (
        [
            helper.make_node("Add", ["lr", "one"], ["a"]),
            helper.make_node("Div", ["lr", "a"], ["b"]),
            helper.make_node("Identity", ["b"], ["c"]),
            helper.make_node("Dropout", ["c"], ["sr"]),
        ],
        {"one": np.ones((3, 1, 1), np.float32)},
    ),
    "constants of constants": (
        [
            helper.make_node("Constant", [], ["a"], value_float=0.25),
            helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(np.array(4, np.float32))),
            helper.make_node("Mul", ["a", "b"], ["c"]),
            helper.make_node("Div", ["c", "b"], ["d"]),
            helper.make_node("Sub", ["d", "a"], ["e"]),
            helper.make_node("Add", ["e", "a"], ["f"]),
            helper.make_node("Max", ["f", "a"], ["g"]),
            helper.make_node("Mul", ["g", "lr"], ["sr"]),
        ],
        {},
    ),
    "pools": (
        [
            helper.make_node("MaxPool", ["lr"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("AveragePool", ["a"], ["b"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Resize", ["b", "", "scales"], ["sr"], mode="linear"),
        ],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "weighed": (
        [
            helper.make_node("ReduceMean", ["lr", "axes"], ["a"]),
            helper.make_node("Conv", ["a", "w"], ["b"]),
            helper.make_node("Mul", ["lr", "b"], ["sr"]),
        ],
        {"axes": np.array([-1, -2]), "w": np.random.default_rng(0).normal(0, 0.5, (3, 3, 1, 1)).astype(np.float32)},
    ),
    "same size": (
        [
            helper.make_node("Conv", ["lr", "w"], ["a"], auto_pad="SAME_UPPER"),
            helper.make_node("Conv", ["a", "w"], ["b"], pads=[2, 2, 2, 2], dilations=[2, 2]),
            helper.make_node(
                "ConvTranspose", ["b", "t"], ["sr"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
            ),
        ],
        {
            "w": np.random.default_rng(0).normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32),
            "t": np.random.default_rng(1).normal(0, 0.2, (3, 3, 3, 3)).astype(np.float32),
        },
    ),
    "equal parts": (
        [
            helper.make_node("Conv", ["lr", "w"], ["a"]),
            helper.make_node("Split", ["a"], ["b", "c", "d"], axis=1, num_outputs=3),
            helper.make_node("Concat", ["d", "b", "c"], ["e"], axis=1),
            helper.make_node("Slice", ["e", "from", "to", "axes"], ["sr"]),
        ],
        {
            "w": np.random.default_rng(0).normal(0, 0.5, (6, 3, 1, 1)).astype(np.float32),
            "from": np.array([1]),
            "to": np.array([4]),
            "axes": np.array([1]),
        },
    ),
    "edges": (
        [
            helper.make_node("Pad", ["lr", "out"], ["a"], mode="edge"),
            helper.make_node("Pad", ["a", "in"], ["sr"]),
        ],
        {"out": np.array([0, 0, 3, 3, 0, 0, 2, 2]), "in": np.array([0, 0, -3, -2, 0, 0, -2, -3])},
    ),
    "split": (
        [
            helper.make_node("Split", ["lr", "parts"], ["a", "b"], axis=1),
            helper.make_node("Concat", ["b", "a"], ["sr"], axis=1),
        ],
        {"parts": np.array([1, 2])},
    ),
}


OF_OPSETS: dict[str, tuple[int, list[Any], dict[str, np.ndarray]]] = {
    "upsample 7": (7, [helper.make_node("Upsample", ["lr"], ["sr"], scales=[1.0, 1.0, 2.0, 2.0])], {}),
    "upsample 9": (
        9,
        [helper.make_node("Upsample", ["lr", "scales"], ["sr"], mode="nearest")],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "resize 10": (
        10,
        [helper.make_node("Resize", ["lr", "scales"], ["sr"])],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "options as attributes": (
        8,
        [
            helper.make_node("Pad", ["lr"], ["a"], pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"),
            helper.make_node("Slice", ["a"], ["b"], starts=[1, 1], ends=[-1, -1], axes=[2, 3]),
            helper.make_node("Split", ["b"], ["c", "d"], axis=1, split=[1, 2]),
            helper.make_node("Concat", ["d", "c"], ["e"], axis=1),
            helper.make_node("Clip", ["e"], ["f"], min=0.1, max=0.8),
            helper.make_node("ReduceMean", ["f"], ["g"], axes=[2, 3]),
            helper.make_node("Mul", ["f", "g"], ["sr"]),
        ],
        {},
    ),
    "gelu 20": (20, [helper.make_node("Gelu", ["lr"], ["sr"])], {}),
}


@pytest.mark.parametrize("name", OF_OPSETS)
def test_operators_of_each_version_are_read_as_onnxruntime_does(name: str, tmp_path: Path) -> None:
    opset, nodes, weights = OF_OPSETS[name]
    path = onnx_file(tmp_path / "net.onnx", nodes, weights, opset=opset)
    x = picture(12, 16)
    np.testing.assert_allclose(of_torch(path, x), onnxruntimes(path, x), atol=1e-5)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_read_as_onnxruntime_does(name: str, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "net.onnx", *OPERATORS[name])
    x = picture(12, 16)
    np.testing.assert_allclose(of_torch(path, x), onnxruntimes(path, x), atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_what_torch_exports_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network: nn.Module = Compact(num_feat=8, num_conv=2, upscale=2).eval()
    sides = {2: "h", 3: "w"}
    torch.onnx.export(
        network,
        (torch.rand(1, 3, 16, 16),),
        str(tmp_path / "net.onnx"),
        input_names=["lr"],
        output_names=["sr"],
        dynamic_axes={"lr": sides, "sr": sides},
        dynamo=False,
    )
    x = picture()
    with torch.inference_mode():
        wanted = network(torch.from_numpy(x)[None])[0].numpy().clip(0, 1)
    np.testing.assert_allclose(of_torch(tmp_path / "net.onnx", x), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "options", "says"),
    [
        ([helper.make_node("LSTM", ["lr", "lr", "lr"], ["sr"])], {}, "operator “LSTM”"),
        ([helper.make_node("Relu", ["lr"], ["sr"])], {"channels": 1}, "takes 1 channel "),
        ([helper.make_node("Relu", ["lr"], ["sr"])], {"kind": TensorProto.UINT8}, "whole numbers"),
        ([helper.make_node("MaxPool", ["lr"], ["sr"], kernel_shape=[2, 2], strides=[2, 2])], {}, "whole multiple"),
        ([helper.make_node("GlobalAveragePool", ["lr"], ["sr"])], {}, "whole multiple"),
    ],
)
def test_onnx_that_is_no_upscaler_is_refused(nodes: list[Any], options: Any, says: str, tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "net.onnx", nodes, {}, **options)
    with pytest.raises(UserError) as caught:
        read_graph(path)
    assert says in caught.value.message
    assert "net.onnx" in caught.value.message


NUMBERS = {
    "two": np.array(2, np.float32),
    "odd": np.array([1, 2, 3, 4], np.float32),
    "zeros": np.zeros(3, np.float32).reshape(1, 3, 1, 1),
    "row": np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1),
    "w": np.zeros((3, 3, 3, 3), np.float32),
    "flat": np.zeros((3, 3), np.float32),
    "even": np.zeros((3, 3, 2, 2), np.float32),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "uneven": np.array([1, 1, 2, 3], np.float32),
    "sizes": np.array([1, 3, 64, 64]),
    "pads": np.array([0, 1, 0, 0, 0, 0, 0, 0]),
    "from": np.array([0]),
    "to": np.array([8]),
    "axis": np.array([2]),
    "steps": np.array([2]),
}


@pytest.mark.parametrize(
    ("operator", "inputs", "options", "says"),
    [
        ("Cast", "lr", {"to": TensorProto.INT64}, "layer Cast has options"),
        ("ConvTranspose", "lr w", {"dilations": [2, 2]}, "layer ConvTranspose has a size of its own"),
        ("ConvTranspose", "lr w", {"strides": [2, 2], "output_padding": [1, 1]}, "layer ConvTranspose has options"),
        ("Conv", "lr w", {"strides": [1, 2]}, "width and height differently"),
        ("Conv", "lr flat", {}, "weights do not fit (Conv)"),
        ("Conv", "lr even", {"auto_pad": "SAME_UPPER"}, "layer Conv has options"),
        ("Conv", "w lr", {}, "layer Conv uses constants"),
        ("Gelu", "lr", {"approximate": "tanh"}, "layer Gelu has options"),
        ("Elu", "lr", {"alpha": 0.5}, "layer Elu has options"),
        ("Pow", "lr odd", {}, "layer Pow has options"),
        ("Add", "lr odd", {}, "layer Add, Mul uses constants"),
        ("Div", "lr zeros", {}, "layer Div uses constants"),
        ("Div", "two lr", {}, "layer Div uses constants"),
        ("Max", "lr row", {}, "layer Max, Min uses constants"),
        ("Max", "lr two lr", {}, "layer Max has options"),
        ("Concat", "lr lr", {"axis": 2}, "layer Concat has options"),
        ("Split", "lr", {"axis": 2, "num_outputs": 1}, "layer Split has options"),
        ("Slice", "lr from to axis steps", {}, "layer Slice has options"),
        ("Slice", "lr from to axis", {}, "layer Slice has a size of its own"),
        ("Resize", "lr  uneven", {}, "layer Resize has options"),
        ("Resize", "lr   sizes", {}, "layer Resize has a size of its own"),
        ("Resize", "lr  scales", {"mode": "cubic", "cubic_coeff_a": -0.5}, "layer Resize has options"),
        ("Resize", "lr  scales", {"mode": "linear", "antialias": 1}, "layer Resize has options"),
        (
            "Resize",
            "lr  scales",
            {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            "layer Resize has options",
        ),
        ("ReduceMean", "lr axis", {}, "layer ReduceMean has options"),
        ("MaxPool", "lr", {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, "layer MaxPool has options"),
        ("AveragePool", "lr", {"kernel_shape": [2, 3]}, "width and height differently"),
        ("Pad", "lr pads", {}, "layer Pad has options"),
        ("BatchNormalization", "lr row row row lr", {}, "layer BatchNormalization uses constants"),
    ],
)
def test_options_of_onnx_that_are_not_known_are_refused(
    operator: str, inputs: str, options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    node = helper.make_node(operator, inputs.split(" "), ["sr"], **options)
    used = {name: value for name, value in NUMBERS.items() if name in inputs.split(" ")}
    path = onnx_file(tmp_path / "net.onnx", [node], used, opset=20)
    with pytest.raises(UserError) as caught:
        read_graph(path)
    assert says in caught.value.message
    assert "net.onnx" in caught.value.message


def kinds_of_file(folder: Path) -> dict[str, Path]:
    """One small model of each kind."""
    param = small_ncnn(folder, name="mutated")
    save_graph(folder / "imported.safetensors", read_graph(param), find_model(str(param)).card)
    return {
        "param": param,
        "bin": param.with_suffix(".bin"),
        "onnx": small_onnx(folder / "mutated.onnx"),
        "imported": folder / "imported.safetensors",
    }


@pytest.mark.parametrize("kind", ["param", "bin", "onnx", "imported"])
def test_500_mutations_end_in_words_or_in_a_network(kind: str, tmp_path: Path) -> None:
    path = kinds_of_file(tmp_path)[kind]
    original, rng = path.read_bytes(), np.random.default_rng(0)
    words = []
    for _ in range(500):
        data = bytearray(original)
        # Half of them where layers are described, as most of a file is weights.
        reach = len(data) if rng.random() < 0.5 else min(len(data), 700)
        for at in rng.integers(0, reach, rng.integers(1, 5)):
            data[at] = rng.integers(0, 256)
        if rng.random() < 0.1:
            del data[rng.integers(0, len(data)) :]
        path.write_bytes(data)
        refused = None
        try:
            assert GraphModule(read_graph(path)).scale in range(1, 17)
        except UserError as error:
            refused = error
        words.append("" if refused is None else refused.message)
    assert any(words)
    assert all(len(each) < 400 and "\n" not in each for each in words)
