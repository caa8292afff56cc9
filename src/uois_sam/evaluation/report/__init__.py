"""What an evaluation writes: JSON, CSV, markdown and one HTML page."""
