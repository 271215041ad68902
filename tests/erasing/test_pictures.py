"""What each method hides, against the changed images and the layers themselves."""

import pytest
import torch

from entreg_utils.erasing import ADL, RDAP, Erasing, hidden, hide_and_seek

POINTS = ["first", "last"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_cam_hides_nothing(images):
    seen = hidden(images, Erasing("cam"), seeded())
    assert seen.images is images and seen.masks == {} == seen.share()


def test_has_gives_the_mask_of_what_training_would_see(net, images):
    erasing = Erasing("has", sides=(3, 5), rate=0.5)
    seen = hidden(images, erasing, seeded(2), model=net)
    assert torch.equal(seen.images, hide_and_seek(images, (3, 5), 0.5, net.mean, seeded(2)))
    changed = (seen.images != images).any(dim=1)
    assert torch.equal(seen.masks["image"], changed)
    torch.testing.assert_close(seen.share()["image"], changed.float().mean(dim=(1, 2)))
    grey = hidden(images, erasing, seeded(2), model=net, fill=0.5).images
    assert (grey[changed[:, None].expand_as(grey)] == 0.5).all()


def test_cutmix_strikes_for_certain_and_masks_the_box(images):
    seen = hidden(images, Erasing("cutmix", beta=1.0, probability=0.0), seeded(4))
    mask = seen.masks["image"]
    assert torch.equal(mask[0], mask[1]) and torch.equal(mask[0], mask[2])
    rows, columns = mask[0].any(dim=1).nonzero(), mask[0].any(dim=0).nonzero()
    height = int(rows.max() - rows.min()) + 1
    width = int(columns.max() - columns.min()) + 1
    assert mask[0].sum() == height * width > 0  # a full box
    changed = (seen.images != images).any(dim=1)
    assert changed.any() and not (changed & ~mask).any()
    for index, image in enumerate(seen.images):  # its box is that of one of the images
        inside = mask[index].expand(3, -1, -1)
        assert any(torch.equal(image[inside], other[inside]) for other in images), index


@pytest.mark.parametrize(
    ("erasing", "layer"),
    [
        (Erasing("adl", gamma=0.7, rate=0.0, points=POINTS), ADL(0.7, 0.0, seeded())),
        (Erasing("rdap", square=0.4, rate=0.0, points=POINTS), RDAP(0.4, 0.0, seeded())),
    ],
)
def test_layers_show_each_point_by_itself_at_its_own_resolution(net, images, erasing, layer):
    net.train()
    net.first.eval()
    statistics = net.last[1].running_mean.clone()
    generator = seeded()
    state = generator.get_state()
    seen = hidden(images, erasing, generator, model=net)
    assert net.training and not net.first.training and net.last.training
    assert torch.equal(net.last[1].running_mean, statistics)
    assert torch.equal(generator.get_state(), state)
    assert not net.first._forward_hooks and seen.images is images and list(seen.masks) == POINTS
    net.eval()
    first = net.first(images)
    last = net.last(first)
    for name, features in (("first", first), ("last", last)):
        assert torch.equal(seen.masks[name], layer.hidden(features))
    assert seen.masks["first"].shape == (4, 8, 6) and seen.masks["last"].shape == (4, 4, 3)


def test_what_is_missing_is_asked_for(images, net):
    with pytest.raises(ValueError, match="HaS needs fill"):
        hidden(images, Erasing("has", sides=(4,), rate=0.5), seeded())
    adl = Erasing("adl", gamma=0.9, rate=0.5, points=("stage9",))
    with pytest.raises(ValueError, match="adl hides places of a feature map: give the model"):
        hidden(images, adl, seeded())
    with pytest.raises(ValueError, match="'stage9': Net has the points first, last"):
        hidden(images, adl, seeded(), model=net)


def test_the_model_is_itself_again_after_an_error(net):
    net.train()
    adl = Erasing("adl", gamma=0.9, rate=0.5, points=("last",))
    with pytest.raises(RuntimeError):
        hidden(torch.rand(1, 4, 8, 8), adl, seeded(), model=net)  # four channels
    assert net.training and not net.last._forward_hooks
