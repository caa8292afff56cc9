"""Services for long-running work: device and precision, executors, Ray, progress, timing, provenance."""
