"""A Ray session for one job, started here or joined."""

from emosense.ray_session.session import cluster_address, quiet, ray_session

__all__ = ["cluster_address", "quiet", "ray_session"]
