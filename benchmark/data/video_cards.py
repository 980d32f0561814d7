"""Cards of the data sets of videos that supervised and object-centric work reports."""

from __future__ import annotations

from tvseg_bench.benchmark.data.class_names import scenes, youtube_vis
from tvseg_bench.benchmark.types import DatasetCard

YOUTUBE_VIS_2021 = DatasetCard(
    name="youtube-vis-2021",
    version=1,
    title="YouTube-VIS 2021: instances of 40 categories in short clips",
    splits=("val", "train"),
    training=("train",),
    clip_labels="instance",
    dataset_labels="semantic",
    classes=youtube_vis.CLASSES,
    archive="train.zip of YouTube-VIS 2021, which unpacks to train/{JPEGImages,instances.json}",
    licence="unknown; see the address",
    paper="https://arxiv.org/abs/1905.04804",
    url="https://youtube-vos.org/dataset/vis/",
    notes="The labels of the official validation and test videos are not public: `val` is the "
    "last 300 videos of the training archive in the order of instances.json and `train` the "
    "others, as object-centric work has it (martius-lab/videosaur, data/save_ytvis2021.py). "
    "Where two instances overlap, the later one is seen. Not verified on the official archive: "
    "whether its masks are lists of counts or strings, both of which are read.",
)

VSPW = DatasetCard(
    name="vspw",
    version=1,
    title="VSPW: 124 classes of scenes in every pixel of short clips, 15 frames a second",
    splits=("val", "train", "test"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=scenes.CLASSES,
    background=None,
    archive="VSPW_480p.tar (or VSPW_data.tar in full resolution), which unpacks to "
    "data/VIDEO/{origin,mask} with train.txt, val.txt and test.txt",
    licence="unknown; the dataset's pages state none",
    paper="https://openaccess.thecvf.com/content/CVPR2021/html/"
    "Miao_VSPW_A_Large-scale_Dataset_for_Video_Scene_Parsing_in_the_CVPR_2021_paper.html",
    url="https://github.com/VSPW-dataset/VSPW-dataset-download",
    notes="Stored 0 (others) and 255 are void, every other value is the class + 1. Scores are "
    "usually of the 480p version. The masks of `test` are not public. The distributors say that "
    "the first archive had damaged frames in 988_f_Xvy_DCPt8, and give them apart. Not verified "
    "on the official archive: how it names its files.",
)

VIPSEG = DatasetCard(
    name="vipseg",
    version=1,
    title="VIPSeg: 124 classes in every pixel of short clips, instances of 58 of them",
    splits=("val", "train", "test"),
    training=("train",),
    clip_labels="semantic",
    dataset_labels="semantic",
    classes=scenes.CLASSES,
    background=None,
    archive="VIPSeg.tar, which unpacks to imgs/, panomasks/ and train.txt, val.txt, test.txt (or "
    "VIPSeg_720P with images/, as the official change2_720p.py writes it)",
    licence="unknown; the dataset's pages state none",
    paper="https://openaccess.thecvf.com/content/CVPR2022/html/"
    "Miao_Large-Scale_Video_Panoptic_Segmentation_in_the_Wild_A_Benchmark_CVPR_2022_paper.html",
    url="https://github.com/VIPSeg-Dataset/VIPSeg-Dataset",
    notes="Stored 0 is void; a value below 125 is the class + 1, a larger one that times 100 "
    "plus an instance. Instances are the things, under their stored values; stuff is 0 among "
    "them, and a thing that is stored without instance is one of its own. The official "
    "evaluation is at 720p. Not verified on the official archive: the names of the archives, "
    "and whether the masks of `test` come with it.",
)

MOSE = DatasetCard(
    name="mose",
    version=1,
    title="MOSE: several objects per clip in crowded scenes, ids of each clip's own",
    splits=("train", "valid"),
    clip_labels="instance",
    dataset_labels=None,
    archive="train.tar.gz of MOSE, which unpacks to train/{JPEGImages,Annotations}",
    licence="CC-BY-NC-SA-4.0",
    paper="https://arxiv.org/abs/2302.01872",
    url="https://github.com/henghuiding/MOSE-api",
    notes="Of `valid` only the first frames have public masks, so that it is not scored: `train` "
    "is, and whatever learns from labels takes a part of it. MOSEv2 has the same layout and is "
    "other data (5,024 videos instead of 2,149); results state a hash of the files in use.",
)


def _movi(letter: str, scene: str) -> DatasetCard:
    return DatasetCard(
        name=f"movi-{letter.lower()}",
        version=1,
        title=f"MOVi-{letter}: {scene}, rendered, with exact motion and depth",
        splits=("validation", "train", "test"),
        training=("train",),
        clip_labels="instance",
        dataset_labels=None,
        archive=f"movi_{letter.lower()}/256x256 of gs://kubric-public/tfds, converted by "
        f"scripts/convert_movi.py to movi_{letter.lower()}/SPLIT/{{frames,segmentations,"
        "forward_flow,depth}",
        licence="unknown for the rendered data; Apache-2.0 for the code that made them",
        paper="https://arxiv.org/abs/2203.03570",
        url="https://github.com/google-research/kubric/tree/main/challenges/movi",
        notes="24 frames of 256x256 pixels at 12 a second; `validation` (250 clips) is what is "
        "reported, `test` shows other objects and backgrounds. Motion and depth are exact up to "
        "the 16 bits in which they are published; motion is left out where following it there "
        "and back does not lead home. Depth is the distance from the centre of the camera, not "
        "from its plane, in units of the scene. The converter was tested on made samples of "
        "the documented form, not on the published files.",
    )


MOVI_C = _movi("C", "3 to 10 scanned objects fall, the camera stands still")
MOVI_E = _movi("E", "11 to 23 scanned objects, most of them at rest, the camera moves")

VIDEO_CARDS = (YOUTUBE_VIS_2021, VSPW, VIPSEG, MOSE, MOVI_C, MOVI_E)
