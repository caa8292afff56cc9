"""Files of an evaluation: JSON, CSV, markdown and one HTML page."""
