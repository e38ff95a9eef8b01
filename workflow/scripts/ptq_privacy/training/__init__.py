"""One recipe for every model of a pool, and snapshots of a training that may be killed."""
