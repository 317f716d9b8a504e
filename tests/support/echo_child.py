"""What a child process of the tests does: it answers, or ends as it is told."""

import os
import sys
from multiprocessing.connection import Connection

from p3d_eval.child_process import gather


def main(connection, *arguments):
    link = Connection(connection)
    inbox = gather(link)
    while True:
        order = inbox.get()
        if order == "arguments":
            link.send((arguments, sys.argv, sys.path, os.environ.get("P3D_EVAL_TEST_LIMIT")))
        elif isinstance(order, int):
            sys.stderr.write("the last\nwords\n")
            sys.stderr.flush()
            os._exit(order)
        else:
            os.abort()
