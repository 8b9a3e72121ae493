from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils import parametrize

from core.contract.errors import UserError
from core.models.content import ContentLoss, content_from_file
from core.models.discriminator import settle_spectral_norm
from core.models.generator import Generator, GeneratorConfig
from core.training.adversary import SHIFT
from core.training.checkpoint import PartState, load_optimizer
from core.training.dataset import Batch
from core.training.losses import LOSSES
from core.training.networks import augment_alike
from core.training.recipe import Recipe, load_recipe
from core.training.step import Training
from tests.core.networks import lively_generator
from tests.core.training.pictures import TINY

CPU = torch.device("cpu")
GAN = (
    *TINY,
    ("gan.steps", "6"),
    ("gan.batch", "2"),
    ("gan.crops", "[8]"),
    ("gan.discriminator_features", "4"),
    ("gan.warmup", "0"),
    ("gan.ramp", "4"),
    ("gan.clip", "0"),
    ("gan.losses", "{ l1 = 1.0, content = 0.5, adversarial = 0.1, ldl = 0.5 }"),
)


def generator_of(recipe: Recipe) -> Generator:
    return lively_generator(GeneratorConfig(**recipe.generator.model_dump()))


def batch(count: int = 2, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    return Batch(
        random.integers(0, 256, (count, 8, 8, 3), np.uint8), random.integers(0, 256, (count, 32, 32, 3), np.uint8)
    )


def snapshot(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def psnr() -> Training:
    recipe = load_recipe("quick", TINY)
    training = Training(recipe, generator_of(recipe), CPU, "fp32")
    training.begin_stage(gan=False)
    return training


@pytest.fixture
def gan(vgg16: Path) -> Training:
    recipe = load_recipe("quick", GAN)
    content = ContentLoss(content_from_file(vgg16), {"conv1_2": 1.0, "conv2_2": 1.0})
    training = Training(recipe, generator_of(recipe), CPU, "fp32", content)
    training.step = recipe.psnr.steps
    training.begin_stage(gan=True)
    return training


def test_a_psnr_step_moves_generator_and_average(psnr: Training) -> None:
    before, ema = snapshot(psnr.generator), snapshot(psnr.ema)
    report = psnr.train_step([batch()])
    assert not report.skipped
    assert (psnr.step, psnr.taken) == (1, 1)
    moved = psnr.generator.state_dict()
    changed = [key for key in before if not torch.equal(before[key], moved[key])]
    assert set(changed) == set(before) - {"skip.mean"}
    # (1 + 0) / (10 + 0): the average forgets fast at first.
    for key, value in psnr.ema.state_dict().items():
        torch.testing.assert_close(value, ema[key].lerp(moved[key], 0.9))
    assert psnr.adversary is None


def test_gradients_are_those_of_the_plain_sum_of_losses(gan: Training) -> None:
    """Differentiating each loss to the SR batch and the sum through the generator is one backward pass of the sum."""
    plain, judge = copy.deepcopy(gan.generator), copy.deepcopy(gan.adversary.network)
    crops = batch()
    torch.manual_seed(1)
    report = gan.train_step([crops])
    lr, hr = (torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in (crops.lr, crops.hr))
    sr = plain(lr)
    torch.manual_seed(1)
    seen = augment_alike(sr, hr, SHIFT if min(hr.shape[-2:]) >= 4 * SHIFT else 0)
    # One power iteration a step, as the step itself does.
    with parametrize.cached():
        settle_spectral_norm(judge)
        fake, real = (judge(each) for each in seen)
    # The average equals the generator at the first step, so nothing is further from HR than it: LDL's map has no zeros.
    ldl = LOSSES["ldl"](_context(sr, hr))
    content = gan.content_distance(sr, hr)
    adversarial = F.softplus(-fake).mean()
    total = F.l1_loss(sr, hr) + 0.5 * content + 0.1 / 4 * adversarial + 0.5 * ldl
    wanted = torch.autograd.grad(total, list(plain.parameters()), retain_graph=True)
    for parameter, gradient in zip(gan.generator.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)
    assert report.losses["adversarial"] == pytest.approx(0.1 / 4 * adversarial.item(), rel=1e-4)
    assert report.losses["content"] == pytest.approx(0.5 * content.item(), rel=1e-4)
    assert all(report.gradient_norms[name] > 0 for name in ("l1", "content", "adversarial", "ldl"))
    # The discriminator learns from its own loss alone: the generator's side of the game leaves nothing in it.
    of_judge = F.softplus(-real).mean() + F.softplus(fake).mean()
    wanted = torch.autograd.grad(of_judge, list(judge.parameters()))
    for parameter, gradient in zip(gan.adversary.network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


def test_the_content_network_sees_a_share_of_the_crops(gan: Training) -> None:
    of_content = gan.recipe.gan.content.model_copy(update={"share": 0.5})
    gan.recipe = gan.recipe.model_copy(update={"gan": gan.recipe.gan.model_copy(update={"content": of_content})})
    crops = batch(3)
    with torch.no_grad():
        lr, hr = (torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in (crops.lr, crops.hr))
        wanted = 0.5 * gan.content_distance(gan.generator(lr)[:2], hr[:2])
    report = gan.train_step([crops])
    assert report.losses["content"] == pytest.approx(wanted.item(), rel=1e-4)


def test_a_teacher_can_stand_for_the_truth(gan: Training) -> None:
    instead = gan.recipe.gan.model_copy(update={"teacher_is_truth": True})
    gan.recipe = gan.recipe.model_copy(update={"gan": instead})
    crops, other = batch(3), batch(3, seed=1)
    taught = np.array([True, False, True])
    of_teacher = Batch(crops.lr, crops.hr, taught=taught, teacher=other.hr[taught])
    with torch.no_grad():
        lr, hr, teachers = (
            torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in (crops.lr, crops.hr, other.hr)
        )
        sr = gan.generator(lr)
        mixed = torch.where(torch.from_numpy(taught)[:, None, None, None], teachers, hr)
        content, l1 = gan.content_distance(sr, mixed), F.l1_loss(sr, hr)
    report = gan.train_step([of_teacher])
    assert report.losses["content"] == pytest.approx(0.5 * content.item(), rel=1e-4)
    assert report.losses["l1"] == pytest.approx(l1.item(), rel=1e-4)


@pytest.mark.parametrize(("synthetic", "seen"), [([False, True, False], [0, 2]), ([True, True, True], [0, 1, 2])])
def test_the_discriminator_can_be_spared_synthetic_crops(gan: Training, synthetic: list[bool], seen: list[int]) -> None:
    """Where nothing else is there it sees them all the same: a game needs somebody."""
    gan.recipe = gan.recipe.model_copy(update={"gan": gan.recipe.gan.model_copy(update={"judge_synthetic": False})})
    gan.begin_stage(gan=True)
    alone = copy.deepcopy(gan)
    crops = batch(3)
    # Both look at the same place.
    torch.manual_seed(1)
    report = gan.train_step([Batch(crops.lr, crops.hr, np.array(synthetic))])
    torch.manual_seed(1)
    wanted = alone.train_step([Batch(crops.lr[seen], crops.hr[seen])])
    for name in ("adversarial", "discriminator"):
        assert report.losses[name] == pytest.approx(wanted.losses[name], rel=1e-4)
    assert report.d_real == pytest.approx(wanted.d_real, rel=1e-4)
    if len(seen) < len(synthetic):
        assert report.losses["l1"] != pytest.approx(wanted.losses["l1"], rel=1e-4)


def test_keep_teaches_synthetic_crops_and_holds_the_others(psnr: Training) -> None:
    recipe = load_recipe("quick", (*TINY, ("data.synthetic", "0.5"), ("psnr.losses", "{ keep = 2.0 }")))
    first = copy.deepcopy(psnr.generator)
    training = Training(recipe, copy.deepcopy(psnr.generator), CPU, "fp32")
    training.begin_stage(gan=False)
    crops = replace(batch(3), synthetic=np.array([False, True, False]))
    lr, hr = (torch.from_numpy(each).permute(0, 3, 1, 2).float() / 255 for each in (crops.lr, crops.hr))
    target = first(lr).detach()
    target[1] = hr[1]
    # At first only the synthetic one is away from where it should be.
    wanted = 2.0 * F.l1_loss(first(lr)[1], hr[1]) / 3
    assert training.train_step([crops]).losses["keep"] == pytest.approx(wanted.item(), rel=1e-4)
    # And later the others are held to the first network, not to what has become of it.
    moved = training.generator(lr)
    assert not torch.allclose(moved[0], target[0], atol=1e-5)
    wanted = 2.0 * F.l1_loss(moved, target)
    state = training.state()
    state = PartState({key: value.clone() for key, value in state.tensors.items()}, state.values)
    assert training.train_step([crops]).losses["keep"] == pytest.approx(wanted.item(), rel=1e-4)
    # Also where the run goes on from a checkpoint.
    other = lively_generator(GeneratorConfig(**recipe.generator.model_dump()), seed=1)
    again = Training(recipe, other, CPU, "fp32")
    again.restore(state)
    assert again.train_step([crops]).losses["keep"] == pytest.approx(wanted.item(), rel=1e-4)
    assert same(training.generator.state_dict(), again.generator.state_dict())


def test_the_first_synthetic_crop_is_no_jump_of_keep(psnr: Training) -> None:
    recipe = load_recipe(
        "quick", (*TINY, ("data.synthetic", "0.1"), ("psnr.losses", "{ keep = 1.0 }"), ("psnr.steps", "80"))
    )
    training = Training(recipe, copy.deepcopy(psnr.generator), CPU, "fp32")
    training.begin_stage(gan=False)
    for _ in range(60):
        assert training.train_step([replace(batch(), synthetic=np.array([False, False]))]).losses["keep"] == 0
    report = training.train_step([replace(batch(), synthetic=np.array([True, False]))])
    assert report.losses["keep"] > 0.01
    assert not report.skipped


def test_pictures_are_augmented_alike_and_in_many_ways() -> None:
    torch.manual_seed(0)
    sr = torch.rand(2, 3, 64, 64)
    seen = set()
    for _ in range(40):
        first, second = augment_alike(sr, sr * 0.5)
        assert first.shape == (2, 3, 57, 57)
        torch.testing.assert_close(first * 0.5, second)
        seen.add(tuple(first[0, 0, 0, :3].tolist()))
    assert len(seen) > 30
    assert augment_alike(sr[..., :16, :16], sr[..., :16, :16])[0].shape == (2, 3, 12, 12)


def _context(sr: torch.Tensor, hr: torch.Tensor):
    from core.training.losses import StepContext

    return StepContext(sr, hr, ema_sr=sr.detach())


def test_a_gan_step_moves_both_networks_and_no_content_weight(gan: Training) -> None:
    content: Any = gan.content_distance
    network = content.network
    before = [snapshot(each) for each in (gan.generator, gan.adversary.network, network)]
    gan.train_step([batch()])
    after = [snapshot(each) for each in (gan.generator, gan.adversary.network, network)]
    assert [same(a, b) for a, b in zip(before, after, strict=True)] == [False, False, True]


def test_the_adversarial_weight_ramps_up(gan: Training) -> None:
    seen = []
    for _ in range(6):
        crops = batch()
        report = gan.train_step([crops])
        seen.append(report.losses["adversarial"])
    # Softplus of a fresh discriminator's logits is about log 2; the weight rises over four steps to 0.1.
    assert seen[0] < seen[1] < seen[2] < seen[3]
    assert seen[3] == pytest.approx(0.1 * 0.69, rel=0.3)


def test_more_discriminator_steps_move_only_the_discriminator(vgg16: Path) -> None:
    recipe = load_recipe("quick", (*GAN, ("gan.losses", "{ l1 = 1.0, adversarial = 0.1 }")))
    ends = []
    for steps in (1, 3):
        wanted = recipe.model_copy(update={"gan": recipe.gan.model_copy(update={"discriminator_steps": steps})})
        training = Training(wanted, generator_of(recipe), CPU, "fp32")
        training.step = recipe.psnr.steps
        torch.manual_seed(0)
        training.begin_stage(gan=True)
        training.train_step([batch()])
        ends.append((snapshot(training.generator), snapshot(training.adversary.network)))
    assert same(ends[0][0], ends[1][0])
    assert not same(ends[0][1], ends[1][1])


def test_accumulated_halves_are_the_whole(psnr: Training) -> None:
    other = Training(psnr.recipe, copy.deepcopy(psnr.generator), CPU, "fp32")
    other.begin_stage(gan=False)
    whole = batch(4)
    psnr.train_step([whole])
    other.train_step([Batch(whole.lr[:2], whole.hr[:2]), Batch(whole.lr[2:], whole.hr[2:])])
    for one, two in zip(psnr.generator.parameters(), other.generator.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("poison", ["value", "gradient"])
def test_a_term_that_is_not_finite_is_named_and_changes_nothing(
    gan: Training, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    gan.train_step([batch()])

    def poisoned(context):
        if poison == "value":
            return context.sr.sum() * float("nan")
        # The value is 0 and the slope of the root infinite there.
        return ((context.sr - context.sr.detach()) ** 2).sum().sqrt()

    monkeypatch.setitem(LOSSES, "ldl", poisoned)
    before = [snapshot(each) for each in (gan.generator, gan.ema, gan.adversary.network)]
    report = gan.train_step([batch(seed=1)])
    assert "ldl" in report.skipped
    assert "not finite" in report.skipped
    after = [snapshot(each) for each in (gan.generator, gan.ema, gan.adversary.network)]
    assert [same(a, b) for a, b in zip(before, after, strict=True)] == [True, True, True]
    assert gan.bad_steps == 1


def test_a_loss_that_jumps_tenfold_is_skipped(psnr: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(51):
        psnr.train_step([batch()])
    l1 = LOSSES["l1"]
    monkeypatch.setitem(LOSSES, "l1", lambda context: 20 * l1(context))
    before = snapshot(psnr.generator)
    report = psnr.train_step([batch()])
    assert "jumped" in report.skipped
    assert same(before, snapshot(psnr.generator))


def test_a_game_that_goes_below_zero_is_no_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = ("gan.losses", "{ adversarial = 1.0, l1 = 0.01 }")
    recipe = load_recipe("quick", (*GAN, losses, ("gan.adversarial", "hinge"), ("gan.steps", "100")))
    # As hinge is once the generator fools the discriminator.
    monkeypatch.setitem(LOSSES, "adversarial", lambda context: -0.5 + 0 * context.fake_logits.mean())
    training = Training(recipe, generator_of(recipe), CPU, "fp32")
    training.step = recipe.psnr.steps
    training.begin_stage(gan=True)
    reports = [training.train_step([batch()]) for _ in range(60)]
    assert reports[-1].losses["adversarial"] < 0
    assert {report.skipped for report in reports} == {""}


@pytest.mark.parametrize("stage", ["psnr", "gan"])
def test_after_a_skipped_step_half_precision_goes_on(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("quick", (*GAN, ("gan.losses", "{ l1 = 1.0, adversarial = 0.1 }")))
    training = Training(recipe, generator_of(recipe), CPU, "fp16")
    training.step = recipe.psnr.steps if stage == "gan" else 0
    training.begin_stage(gan=stage == "gan")
    training.train_step([batch()])
    with monkeypatch.context() as poison:
        poison.setitem(LOSSES, "l1", lambda context: context.sr.sum() * float("nan"))
        assert "not finite" in training.train_step([batch()]).skipped
    before = snapshot(training.generator)
    assert training.train_step([batch()]).skipped == ""
    assert not same(before, snapshot(training.generator))


def test_step_counts_go_where_the_optimiser_reads_them() -> None:
    # "meta" stands for a graphics card.
    network = torch.nn.Linear(2, 2).to("meta")
    optimizer = torch.optim.AdamW(network.parameters())
    kept = {"weight/step": torch.tensor(5.0), "weight/exp_avg": torch.zeros(2, 2)}
    load_optimizer(optimizer, network, kept)
    assert optimizer.state[network.weight]["step"].device.type == "cpu"
    optimizer.param_groups[0]["fused"] = True
    load_optimizer(optimizer, network, kept)
    assert optimizer.state[network.weight]["step"].device.type == "meta"


def test_bf16_learns_like_fp32(psnr: Training) -> None:
    half = Training(psnr.recipe, copy.deepcopy(psnr.generator), CPU, "bf16")
    half.begin_stage(gan=False)
    one, two = psnr.train_step([batch()]), half.train_step([batch()])
    assert two.losses["l1"] == pytest.approx(one.losses["l1"], rel=0.02)
    assert all(p.dtype == torch.float32 for p in half.generator.parameters())


def test_a_discriminator_whose_gradient_is_not_finite_stays_as_it_was(
    gan: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training import adversary

    def poisoned(real, fake, game):
        return ((real - real.detach()) ** 2).sum().sqrt() + fake.mean()

    monkeypatch.setattr(adversary, "discriminator_loss", poisoned)
    before = [snapshot(each) for each in (gan.generator, gan.ema, gan.adversary.network)]
    report = gan.train_step([batch()])
    assert report.skipped == "the gradient of the discriminator loss is not finite"
    assert all(
        same(a, snapshot(b)) for a, b in zip(before, (gan.generator, gan.ema, gan.adversary.network), strict=True)
    )


def test_a_skipped_step_leaves_no_trace_in_batch_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe("quick", (*TINY, ("generator.norm", "batch"), ("generator.skip", "none")))
    training = Training(recipe, generator_of(recipe), CPU, "fp32")
    training.begin_stage(gan=False)
    l1 = LOSSES["l1"]
    monkeypatch.setitem(LOSSES, "l1", lambda context: l1(context) * float("inf"))
    before = snapshot(training.generator)
    assert training.train_step([batch()]).skipped
    assert same(before, snapshot(training.generator))
    monkeypatch.setitem(LOSSES, "l1", l1)
    assert not training.train_step([batch()]).skipped
    assert not torch.equal(before["trunk_norm.running_mean"], training.generator.get_buffer("trunk_norm.running_mean"))


def test_with_a_head_start_the_discriminator_learns_alone_first(vgg16: Path) -> None:
    recipe = load_recipe("quick", (*GAN, ("gan.head_start", "2"), ("gan.ramp", "4"), ("gan.warmup", "1")))
    content = ContentLoss(content_from_file(vgg16), {"conv1_2": 1.0})
    training = Training(recipe, generator_of(recipe), CPU, "fp32", content)
    training.step = recipe.psnr.steps
    training.begin_stage(gan=True)
    assert training.adversary is not None
    generator, discriminator = snapshot(training.generator), snapshot(training.adversary.network)
    for _ in range(2):
        report = training.train_step([batch()])
        assert list(report.losses) == ["discriminator"]
        assert report.d_real is not None
        assert report.d_fake is not None
    assert same(generator, snapshot(training.generator))
    assert not same(discriminator, snapshot(training.adversary.network))
    assert (training.stage_step, training.taken) == (2, 0)
    report = training.train_step([batch()])
    assert not report.skipped
    assert {"l1", "content", "adversarial"} <= set(report.losses)
    assert not same(generator, snapshot(training.generator))
    assert training.taken == 1


def test_a_head_start_needs_an_adversary() -> None:
    with pytest.raises(UserError, match="no discriminator to give a head start"):
        load_recipe("quick", (*GAN, ("gan.head_start", "2"), ("gan.losses.adversarial", "0")))
