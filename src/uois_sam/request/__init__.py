"""What a user wants found in a photo: the same words in Python and on the command line."""

from uois_sam.request.request import LEAST_INSIDE, Request
from uois_sam.request.targets import Target
from uois_sam.request.words import WORDS

__all__ = ["LEAST_INSIDE", "WORDS", "Request", "Target"]
