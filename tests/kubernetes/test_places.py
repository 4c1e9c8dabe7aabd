"""The claim is reached in two ways, and both reach the same files."""

from __future__ import annotations

import random
from functools import partial

from .files import PIECE_BYTES, PodFiles
from .kit import run_in_pod


def test_files_go_to_the_claim_and_come_back_by_pods_as_they_do_on_a_real_cluster(cluster) -> None:
    by_pods = PodFiles(partial(run_in_pod, cluster))
    given = {
        "places/a/large": random.Random(1).randbytes(PIECE_BYTES + 100),
        "places/a/é": b"\x00\n",
        "places/empty": b"",
    }
    by_pods.put(given)
    assert by_pods.get(["places/a/*", "places/empty", "places/none"]) == given
    assert cluster.files.get(["places/*/*", "places/*"]) == given
    by_pods.remove("places/a/large")
    assert "places/a/large" not in cluster.files.get(["places/a/*"])
