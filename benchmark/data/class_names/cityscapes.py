"""The labels of Cityscapes: stored values 0 to 33, and which of them are classes.

Source: cityscapesscripts/helpers/labels.py of github.com/mcordts/cityscapesScripts.
"""

FIRST_CLASS = 7
"""Lower values are void: unlabelled, ego vehicle, rectification border, ground, ..."""

CLASSES_27 = (
    *("road", "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail"),
    *("bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan", "trailer"),
    *("train", "motorcycle", "bicycle"),
)
"""Of the stored values 7 to 33: everything that is not void, as PiCIE and STEGO count."""

LEFT_OUT = frozenset(
    {
        *("parking", "rail track", "guard rail", "bridge", "tunnel"),
        *("polegroup", "caravan", "trailer"),
    }
)
"""What the benchmark does not evaluate (`ignoreInEval`)."""

CLASSES_19 = tuple(name for name in CLASSES_27 if name not in LEFT_OUT)
"""In the order of the benchmark's `trainId`."""
