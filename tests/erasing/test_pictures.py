"""What each method hides, against the changed images and the layers themselves."""

import pytest
import torch
from torch import nn

from entreg_utils.erasing import ADL, RDAP, Erasing, hidden, hide_and_seek

POINTS = ["early", "late"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Net(nn.Module):
    """Halves the side twice; ``mean`` is the mean colour of its training images."""

    def __init__(self):
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.BatchNorm2d(4), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(4, 4, 2, 2), nn.BatchNorm2d(4), nn.ReLU())
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]), persistent=False)

    def erasing_points(self):
        return {"early": self.early, "late": self.late}

    def forward(self, images):
        return self.late(self.early(images)).mean(dim=(2, 3))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 12, generator=seeded(1))


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
    net.early.eval()
    statistics = net.late[1].running_mean.clone()
    generator = seeded()
    state = generator.get_state()
    seen = hidden(images, erasing, generator, model=net)
    assert net.training and not net.early.training and net.late.training
    assert torch.equal(net.late[1].running_mean, statistics)
    assert torch.equal(generator.get_state(), state)
    assert not net.early._forward_hooks and seen.images is images and list(seen.masks) == POINTS
    net.eval()
    early = net.early(images)
    late = net.late(early)
    for name, features in (("early", early), ("late", late)):
        assert torch.equal(seen.masks[name], layer.hidden(features))
    assert seen.masks["early"].shape == (3, 8, 6) and seen.masks["late"].shape == (3, 4, 3)


def test_what_is_missing_is_asked_for(images, net):
    with pytest.raises(ValueError, match="HaS needs fill"):
        hidden(images, Erasing("has", sides=(4,), rate=0.5), seeded())
    adl = Erasing("adl", gamma=0.9, rate=0.5, points=("last",))
    with pytest.raises(ValueError, match="adl hides places of a feature map: give the model"):
        hidden(images, adl, seeded())
    with pytest.raises(ValueError, match="cannot go behind 'last': Net has the points early, late"):
        hidden(images, adl, seeded(), model=net)


def test_the_model_is_itself_again_after_an_error(net):
    net.train()
    adl = Erasing("adl", gamma=0.9, rate=0.5, points=("late",))
    with pytest.raises(RuntimeError):
        hidden(torch.rand(1, 4, 8, 8), adl, seeded(), model=net)  # four channels
    assert net.training and not net.late._forward_hooks
