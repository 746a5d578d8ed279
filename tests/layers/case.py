"""What a file of cases is made with."""


def case(bottoms, param_str="", **options):
    """Return the arguments of check_layer; wrt=[] where no bottom can get a gradient."""
    return dict(bottoms=bottoms, param_str=param_str, **options)
