"""timed.py SOLVER OUT: as BVLC's python/train.py --timing, by two processes that share nothing but the uid."""

import json
import multiprocessing
import sys

from caffe_pylayers import pycaffe as caffe


def timers(net):
    return [caffe.Timer() for _ in net.layers]


def solve(path, out, uid, rank):
    caffe.set_solver_count(2)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver(path)
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    net, total, reducing = solver.net, caffe.Timer(), caffe.Timer()
    forward, backward = timers(net), timers(net)
    net.before_forward(lambda layer: forward[layer].start())
    net.after_forward(lambda layer: forward[layer].stop())
    net.before_backward(lambda layer: backward[layer].start())
    net.after_backward(lambda layer: backward[layer].stop())
    solver.add_callback(total.start, lambda: (total.stop(), reducing.start()))
    solver.add_callback(nccl)
    solver.add_callback(lambda: None, reducing.stop)
    net.after_backward(nccl)
    solver.step(solver.param.max_iter)
    if rank == 0:
        net.save(f"{out}.caffemodel")
        seconds = {"forward": [timer.ms for timer in forward], "backward": [timer.ms for timer in backward]}
        with open(f"{out}.json", "w") as file:
            json.dump({**seconds, "total": [total.ms], "reducing": [reducing.ms]}, file)


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    uid = caffe.NCCL.new_uid()
    processes = [spawn.Process(target=solve, args=(*sys.argv[1:], uid, rank)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in processes))
