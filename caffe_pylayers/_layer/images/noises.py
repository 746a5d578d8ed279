"""The names of SSD's noises; nothing is imported here, so that prototxts are read without numpy."""

NOISES = (
    "decolorize",
    "gauss_blur",
    "hist_eq",
    "clahe",
    "jpeg",
    "erode",
    "posterize",
    "inverse",
    "saltpepper",
    "convert_to_hsv",
)
