"""ImageData and WindowData, on the images of tests/parity/files: every pixel."""

from tests.parity.case import TEST, TRAIN, Case

FILES = "tests/parity/files"


def image(param="", transform="", size=5, phase=TEST, source="same_size"):
    data = f'source: "{FILES}/{source}.txt" root_folder: "{FILES}/images/" batch_size: {size} {param}'
    text = f"image_data_param {{ {data} }} transform_param {{ {transform} }}"
    return Case("ImageData", text, [], tops=2, phase=phase, exact=True)


def window(param="", transform="crop_size: 24"):
    data = f'source: "{FILES}/windows.txt" root_folder: "{FILES}/images/" batch_size: 2 fg_fraction: 0.5'
    text = f"window_data_param {{ {data} fg_threshold: 0.6 bg_threshold: 0.2 {param} }}"
    return Case("WindowData", f"{text} transform_param {{ {transform} }}", [], tops=2, exact=True)


CASES = [
    image(),
    image("is_color: false", phase=TRAIN),
    image("new_height: 20 new_width: 31", source="all_sizes", size=6),
    image("new_height: 80 new_width: 100", source="all_sizes", size=1),
    image("new_height: 19 new_width: 24 is_color: false", source="all_sizes", size=6),
    image(transform="crop_size: 17 scale: 0.017 mean_value: 104 mean_value: 117 mean_value: 123"),
    image(transform="crop_size: 12", source="all_sizes", size=7),
    image("rand_skip: 1", "mean_value: 9", size=2),
    window(),
    window("context_pad: 4"),
    window("context_pad: 6 cache_images: true scale: 0.5", "crop_size: 24 mean_value: 100"),
    window('crop_mode: "square"', "crop_size: 25 mean_value: 104 mean_value: 117 mean_value: 123"),
    window('crop_mode: "square" context_pad: 5', f'crop_size: 24 mean_file: "{FILES}/window_mean.binaryproto"'),
    window("", f'crop_size: 27 mean_file: "{FILES}/window_mean.binaryproto"'),
]
