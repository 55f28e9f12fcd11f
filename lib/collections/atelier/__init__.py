"""Collections: the atelier, an embedded collection of procedurally sculpted faces whose truth is known. Every picture is synthetic."""

from lib.collections.atelier.sculptor import Piece, build, collection, commission, sculpt
from lib.collections.atelier.specs import names

__all__ = ["Piece", "build", "collection", "commission", "names", "sculpt"]
