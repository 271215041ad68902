"""Data sets behind one door: ``load(name, split)`` gives a data set of :class:`Sample`."""

from entreg_utils.data.choice import (
    DATASETS,
    DRAWN,
    FOLDER,
    PHOTOGRAPHS,
    SEVERAL_CLASSES,
    Data,
    load,
)
from entreg_utils.data.evaluated import cub, openimages
from entreg_utils.data.folder import folder
from entreg_utils.data.masked import flowers, pets, voc
from entreg_utils.data.photos import PhotoDataset
from entreg_utils.data.sample import FRAME, Images, OwnDataset, Sample, collate
from entreg_utils.data.survey import survey
from entreg_utils.data.toy import CUES, DrawnDataset, counterfactual, shoal, toy
from entreg_utils.data.world import World
