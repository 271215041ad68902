"""``predict``: classes, maps, boxes and overlays of photographs that nobody has labelled.

The output folder::

    predict.json       what was asked: the same call goes on, another is refused
    maps/NAME.npy      float32 (h, w), raw map of the predicted class
    overlays/NAME.png  photograph, map, outline, boxes, colour bar, class; a longer side of at most
                       1280 pixels
    predictions.csv    image, class_1, probability_1, ..., class_5, probability_5, weights
    boxes.csv          image, x0, y0, x1, y1, class, probability, threshold, weights: a row a box
    boxes.coco.json    the same boxes; category_id is the index of the class
    contact_sheet.png  up to 60 of the photographs, evenly spaced in their order
    journal.jsonl      a line for each photograph that is done

``image`` is the path in the folder, or the file name of one that was named by itself, and NAME that
without its ending. A box is read as in evaluation, from the map at 224x224, and brought to pixels
of the upright photograph (W, H): ``ceil(v W / 224)``, at most W - 1, which
``metrics.rescale_boxes`` takes back to the box at 224 where W, H >= 224. So x1, y1 lie one behind
the object's last pixel, or on the photograph's last, as in boxes that ``data.folder`` reads; w of
COCO is x1 - x0. A blank map, of one value, has no box, and no row in ``boxes.csv``.
"""

from entreg_utils.predict.classifiers import Classifier, classifier, find_run
from entreg_utils.predict.photographs import find, predict
