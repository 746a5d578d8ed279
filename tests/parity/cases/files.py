"""HDF5Data, HDF5Output, ImageData and WindowData, on the files of tests/parity/files."""

from tests.parity.case import TEST, TRAIN, Case, normal

FILES = "tests/parity/files"
MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"


def hdf5(source, size, tops=2, phase=TRAIN):
    return Case("HDF5Data", f'hdf5_data_param {{ source: "{FILES}/{source}" batch_size: {size} }}', [], tops, phase)


def images(fields, transform="", source="images.txt", phase=TEST):
    param = f'image_data_param {{ source: "{FILES}/{source}" {fields} }} transform_param {{ {transform} }}'
    return Case("ImageData", param, [], tops=2, phase=phase, exact=True)


def windows(fields, transform="crop_size: 10", phase=TRAIN):
    """One window is foreground, one background: what is drawn is known."""
    source = f'source: "{FILES}/windows.txt" root_folder: "{FILES}/images/" bg_threshold: 0.3'
    param = f"window_data_param {{ {source} {fields} }} transform_param {{ {transform} }}"
    return Case("WindowData", param, [], tops=2, phase=phase, exact=True)


def output(*shapes):
    param = 'hdf5_output_param { file_name: "/dev/shm/caffe_pylayers_parity.h5" }'
    return Case("HDF5Output", param, [normal(*shape, seed=i) for i, shape in enumerate(shapes)], tops=0, down=[])


CASES = [
    hdf5("rows.txt", 2),
    hdf5("rows.txt", 4),
    hdf5("rows.txt", 11, phase=TEST),
    hdf5("rows0.txt", 3),
    hdf5("rows0.txt", 7),
    hdf5("rows0.txt", 1, tops=1),
    images("batch_size: 1"),
    images("batch_size: 2 new_height: 6 new_width: 7"),
    images("batch_size: 5 new_height: 3 new_width: 11", MEANS + " scale: 0.5"),
    images("batch_size: 4 new_height: 8 new_width: 8 is_color: false", "crop_size: 5 mean_value: 20"),
    images("batch_size: 3 new_height: 5 new_width: 6", f'mean_file: "{FILES}/mean.binaryproto"', phase=TRAIN),
    images(f'batch_size: 1 root_folder: "{FILES}/images/"', source="jpegs.txt"),
    images(f'batch_size: 1 root_folder: "{FILES}/images/" is_color: false', source="jpegs.txt"),
    images(f'batch_size: 2 root_folder: "{FILES}/images/" new_height: 41 new_width: 57', source="jpegs.txt"),
    images(f'batch_size: 2 root_folder: "{FILES}/images/" new_height: 9 new_width: 10', source="jpegs.txt"),
    windows("batch_size: 1 fg_fraction: 1"),
    windows("batch_size: 4 fg_fraction: 0.5"),
    windows("batch_size: 3 fg_fraction: 0.4 scale: 0.25", f"crop_size: 7 {MEANS}"),
    windows("batch_size: 2 fg_fraction: 0.5 context_pad: 2", "crop_size: 13"),
    windows("batch_size: 2 fg_fraction: 0.5 context_pad: 3 cache_images: true", f"crop_size: 16 {MEANS}", TEST),
    windows('batch_size: 2 fg_fraction: 0.5 crop_mode: "square"', "crop_size: 9 mean_value: 3"),
    windows('batch_size: 2 fg_fraction: 0.5 crop_mode: "square" context_pad: 1 scale: 2'),
    output((3, 2, 4, 5), (3,)),
    output((2, 3), (2, 1, 1, 1)),
]
