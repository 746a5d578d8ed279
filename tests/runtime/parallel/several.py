"""several.py SOLVER COUNT ITERATIONS OUT: train by so many processes as a script does; OUT gets the first's weights."""

import sys
from multiprocessing import Process

from caffe_pylayers import pycaffe as caffe

LIMIT = 120  # seconds


def solve(path, count, iterations, out, uid, rank):
    caffe.set_solver_count(count)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver(path)
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    solver.step(iterations)
    if rank == 0:
        solver.net.save(out)


if __name__ == "__main__":
    path, count, iterations, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    uid = caffe.NCCL.new_uid()
    processes = [
        Process(target=solve, args=(path, count, iterations, out, uid, rank), daemon=True) for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(LIMIT)
    sys.exit(any(process.exitcode != 0 for process in processes))
