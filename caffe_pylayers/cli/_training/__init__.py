"""The parts of ``caffe-pylayers train``.

options → driver: job (the checks) → the engine's solver → loop → result

job         solver_file, solver_check, state, weights, mode: all that can be checked before
loop        the iterations, with evaluation, snapshot, log, progress and signals
plot        from the log, at the end
"""
