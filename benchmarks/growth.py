"""How a scan's speed should grow with the machines of a cluster, what stops it, and what it costs.

A formula, and a simulation of the same cluster, event by event, that knows nothing of the formula. Both take what was
measured here: photos a second of a core, the driver's time for a portion, how fast folders are listed.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, replace

NODES = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Study:
    """A cluster and what it is given.

    cores: processors of the workers. core: photos/s of one. portion: photos handed out at a time. driver: s of the
    driver for each. listed: photos/s that one folder's lister names. listers: at work at once. store: bytes/s that the
    object store gives to the cluster. size: bytes a photo.
    """

    cores: int
    core: float
    portion: int
    driver: float
    listed: float
    listers: int
    store: float
    size: float


def limits(study: Study) -> dict[str, float]:
    """Photos a second that each part could do if the others took no time. The least is the cluster's."""
    return {
        "cores": study.cores * study.core,
        "driver": study.portion / study.driver,
        "listing": study.listed * study.listers,
        "store": study.store / study.size,
    }


def simulate(study: Study, rounds: int = 20, seed: int = 0) -> float:
    """Photos a second of a simulated scan of so many portions a core, from its start until its last row.

    Listers give a portion after the other; a core that is free takes the next one as soon as it is listed and the
    driver has a moment; photos come over a store that all share; what takes the driver's time waits for its turn.
    Portions differ in length: their photos do, and so do cores.
    """
    draw = random.Random(seed)  # no secret  # nosec B311
    portions = rounds * study.cores
    listed = [0.0] * study.listers
    free = [(0.0, core) for core in range(study.cores)]
    driver = store = end = 0.0
    for _ in range(portions):
        begun = heapq.heappop(listed)
        ready = begun + study.portion / study.listed
        heapq.heappush(listed, ready)
        idle, core = heapq.heappop(free)
        driver = max(driver, ready, idle) + study.driver  # hands it out, and will count it
        store = max(store, driver) + study.portion * study.size / study.store
        work = study.portion / study.core * draw.lognormvariate(0, 0.1)
        done = max(driver + work, store)
        heapq.heappush(free, (done, core))
        end = max(end, done)
    return portions * study.portion / end


def growth(measured: Study, cores_a_node: int = 16, portion_a_core: int = 16) -> list[dict]:
    """A row for each number of nodes: formula, simulation, and what stops it; portions grow as those of a scan do."""
    rows = []
    for nodes in NODES:
        cores = nodes * cores_a_node
        study = replace(measured, cores=cores, portion=max(measured.portion, portion_a_core * cores))
        each = limits(study)
        least = min(each, key=each.get)
        fixed = min(limits(replace(study, portion=measured.portion)).values())
        rows.append(
            {
                "nodes": nodes,
                "portion": study.portion,
                "formula_per_s": each[least],
                "simulated_per_s": simulate(study),
                "stopped_by": least,
                "with_small_portions_per_s": fixed,
            }
        )
    return rows


def cost_of_a_million_cells(per_core: float, cells_a_photo: float, core_hour: float, requests: float) -> float:
    """In the currency of the prices: `core_hour` of a core, `requests` of a thousand reads. per_core: photos/s."""
    photos = 1e6 / cells_a_photo
    return photos / per_core / 3600 * core_hour + photos / 1000 * requests
