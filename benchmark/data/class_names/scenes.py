"""The classes of scenes of VSPW and VIPSeg, which share them.

Source: label_num_dic_final.json and panoVIPSeg_categories.json of
github.com/VIPSeg-Dataset/VIPSeg-Dataset.
"""

CLASSES = (
    *("wall", "ceiling", "door", "stair", "ladder", "escalator", "Playground_slide"),
    *("handrail_or_fence", "window", "rail", "goal", "pillar", "pole", "floor", "ground"),
    *("grass", "sand", "athletic_field", "road", "path", "crosswalk", "building", "house"),
    *("bridge", "tower", "windmill", "well_or_well_lid", "other_construction", "sky"),
    *("mountain", "stone", "wood", "ice", "snowfield", "grandstand", "sea", "river"),
    *("lake", "waterfall", "water", "billboard_or_Bulletin_Board", "sculpture", "pipeline"),
    *("flag", "parasol_or_umbrella", "cushion_or_carpet", "tent", "roadblock", "car"),
    *("bus", "truck", "bicycle", "motorcycle", "wheeled_machine", "ship_or_boat", "raft"),
    *("airplane", "tyre", "traffic_light", "lamp", "person", "cat", "dog", "horse"),
    *("cattle", "other_animal", "tree", "flower", "other_plant", "toy", "ball_net"),
    *("backboard", "skateboard", "bat", "ball", "cupboard_or_showcase_or_storage_rack"),
    *("box", "traveling_case_or_trolley_case", "basket", "bag_or_package", "trash_can"),
    *("cage", "plate", "tub_or_bowl_or_pot", "bottle_or_cup", "barrel", "fishbowl", "bed"),
    *("pillow", "table_or_desk", "chair_or_seat", "bench", "sofa", "shelf", "bathtub"),
    *("gun", "commode", "roaster", "other_machine", "refrigerator", "washing_machine"),
    *("Microwave_oven", "fan", "curtain", "textiles", "clothes", "painting_or_poster"),
    *("mirror", "flower_pot_or_vase", "clock", "book", "tool", "blackboard", "tissue"),
    *("screen_or_television", "computer", "printer", "Mobile_phone", "keyboard"),
    *("other_electronic_product", "fruit", "food", "instrument", "train"),
)
"""The 124 classes of VSPW and VIPSeg; stored values are one higher."""

THINGS = (
    *("door", "ladder", "window", "goal", "sculpture", "flag", "parasol_or_umbrella"),
    *("tent", "roadblock", "car", "bus", "truck", "bicycle", "motorcycle", "ship_or_boat"),
    *("raft", "airplane", "person", "cat", "dog", "horse", "cattle", "other_animal"),
    *("skateboard", "ball", "box", "traveling_case_or_trolley_case", "basket"),
    *("bag_or_package", "plate", "tub_or_bowl_or_pot", "bottle_or_cup", "barrel"),
    *("fishbowl", "bed", "pillow", "table_or_desk", "chair_or_seat", "bench", "sofa"),
    *("gun", "commode", "roaster", "refrigerator", "washing_machine", "Microwave_oven"),
    *("fan", "painting_or_poster", "mirror", "flower_pot_or_vase", "clock"),
    *("screen_or_television", "computer", "printer", "Mobile_phone", "keyboard"),
    *("instrument", "train"),
)
"""The 58 of them that have instances in VIPSeg."""
