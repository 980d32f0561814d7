"""The labels of COCO-Stuff: stored values 0 to 181, their super-categories, the coarse classes.

Sources: labels.txt of github.com/nightrome/cocostuff (names; the stored value is the id less
one), panoptic_coco_categories.json of github.com/cocodataset/panopticapi (super-categories of
things), internalToCocoGTDemo.py of the COCO-Stuff API (super-categories of stuff), and
`fine_to_coarse` in src/data.py of github.com/mhamilton723/STEGO (the order of the 27, and the
classes without a pixel).
"""

THINGS = {
    "person": ("person",),
    "vehicle": (*("bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),),
    "outdoor": (
        *("traffic light", "fire hydrant", "street sign", "stop sign", "parking meter", "bench"),
    ),
    "animal": (
        *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),
    ),
    "accessory": (
        *("hat", "backpack", "umbrella", "shoe", "eye glasses", "handbag", "tie", "suitcase"),
    ),
    "sports": (
        *("frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat"),
        *("baseball glove", "skateboard", "surfboard", "tennis racket"),
    ),
    "kitchen": (*("bottle", "plate", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),),
    "food": (
        *("banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza"),
        *("donut", "cake"),
    ),
    "furniture": (
        *("chair", "couch", "potted plant", "bed", "mirror", "dining table", "window", "desk"),
        *("toilet", "door"),
    ),
    "electronic": ("tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    "appliance": (*("microwave", "oven", "toaster", "sink", "refrigerator", "blender"),),
    "indoor": (
        *("book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
        "hair brush",
    ),
}
"""Super-category -> things, in the order of the stored values 0 to 90."""

WITHOUT_PIXELS = frozenset(
    {
        *("street sign", "hat", "shoe", "eye glasses", "plate", "mirror", "window", "desk"),
        *("door", "blender", "hair brush"),
    }
)
"""Things that have a stored value and no pixel in any mask."""

STUFF = (
    ("banner", "textile"),
    ("blanket", "textile"),
    ("branch", "plant"),
    ("bridge", "building"),
    ("building-other", "building"),
    ("bush", "plant"),
    ("cabinet", "furniture-stuff"),
    ("cage", "structural"),
    ("cardboard", "raw-material"),
    ("carpet", "floor"),
    ("ceiling-other", "ceiling"),
    ("ceiling-tile", "ceiling"),
    ("cloth", "textile"),
    ("clothes", "textile"),
    ("clouds", "sky"),
    ("counter", "furniture-stuff"),
    ("cupboard", "furniture-stuff"),
    ("curtain", "textile"),
    ("desk-stuff", "furniture-stuff"),
    ("dirt", "ground"),
    ("door-stuff", "furniture-stuff"),
    ("fence", "structural"),
    ("floor-marble", "floor"),
    ("floor-other", "floor"),
    ("floor-stone", "floor"),
    ("floor-tile", "floor"),
    ("floor-wood", "floor"),
    ("flower", "plant"),
    ("fog", "water"),
    ("food-other", "food-stuff"),
    ("fruit", "food-stuff"),
    ("furniture-other", "furniture-stuff"),
    ("grass", "plant"),
    ("gravel", "ground"),
    ("ground-other", "ground"),
    ("hill", "solid"),
    ("house", "building"),
    ("leaves", "plant"),
    ("light", "furniture-stuff"),
    ("mat", "textile"),
    ("metal", "raw-material"),
    ("mirror-stuff", "furniture-stuff"),
    ("moss", "plant"),
    ("mountain", "solid"),
    ("mud", "ground"),
    ("napkin", "textile"),
    ("net", "structural"),
    ("paper", "raw-material"),
    ("pavement", "ground"),
    ("pillow", "textile"),
    ("plant-other", "plant"),
    ("plastic", "raw-material"),
    ("platform", "ground"),
    ("playingfield", "ground"),
    ("railing", "structural"),
    ("railroad", "ground"),
    ("river", "water"),
    ("road", "ground"),
    ("rock", "solid"),
    ("roof", "building"),
    ("rug", "textile"),
    ("salad", "food-stuff"),
    ("sand", "ground"),
    ("sea", "water"),
    ("shelf", "furniture-stuff"),
    ("sky-other", "sky"),
    ("skyscraper", "building"),
    ("snow", "ground"),
    ("solid-other", "solid"),
    ("stairs", "furniture-stuff"),
    ("stone", "solid"),
    ("straw", "plant"),
    ("structural-other", "structural"),
    ("table", "furniture-stuff"),
    ("tent", "building"),
    ("textile-other", "textile"),
    ("towel", "textile"),
    ("tree", "plant"),
    ("vegetable", "food-stuff"),
    ("wall-brick", "wall"),
    ("wall-concrete", "wall"),
    ("wall-other", "wall"),
    ("wall-panel", "wall"),
    ("wall-stone", "wall"),
    ("wall-tile", "wall"),
    ("wall-wood", "wall"),
    ("water-other", "water"),
    ("waterdrops", "water"),
    ("window-blind", "window"),
    ("window-other", "window"),
    ("wood", "solid"),
)
"""Stuff and its super-category, in the order of the stored values 91 to 181."""

FINE = (*((name, group) for group, names in THINGS.items() for name in names), *STUFF)
"""Name and super-category of each stored value."""

COARSE_THINGS = (
    *("electronic", "appliance", "food", "furniture", "indoor", "kitchen", "accessory"),
    *("animal", "outdoor", "person", "sports", "vehicle"),
)
COARSE_STUFF = (
    *("ceiling", "floor", "food-stuff", "furniture-stuff", "raw-material", "textile", "wall"),
    *("window", "building", "ground", "plant", "sky", "solid", "structural", "water"),
)
"""The two halves of the 27 coarse classes, in the order of PiCIE and STEGO."""

CLASSES_171 = tuple(name for name, _ in FINE if name not in WITHOUT_PIXELS)
