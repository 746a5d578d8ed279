"""The parts of ``caffe-pylayers train``.

options → plan → driver → loop → result

options          what the user asked for, and what a training gives back
plan             all that can be checked before anything starts: solver_file, snapshot_file, weights, mode
driver           builds the engine's solver, restores it, and runs the loop in a folder of its own (lock, earlier)
team             the processes that train together, as launched says: the first is driven as here, the others follower's
loop             the iterations: evaluation, pictures, snapshot_writer, progress, signals and the log of cli/_curves
"""
