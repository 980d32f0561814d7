"""The 40 categories of YouTube-VIS 2021, in the order of their ids.

Source: `YTVIS_CATEGORIES_2021`, as public code for detectron2 has it; a label file states its
categories too, and is read by its own.
"""

CLASSES = (
    *("background", "airplane", "bear", "bird", "boat", "car", "cat", "cow", "deer", "dog"),
    *("duck", "earless_seal", "elephant", "fish", "flying_disc", "fox", "frog"),
    *("giant_panda", "giraffe", "horse", "leopard", "lizard", "monkey", "motorbike"),
    *("mouse", "parrot", "person", "rabbit", "shark", "skateboard", "snake", "snowboard"),
    *("squirrel", "surfboard", "tennis_racket", "tiger", "train", "truck", "turtle"),
    *("whale", "zebra"),
)
"""By id: 0 is what is no object, 1 to 40 are the categories."""
