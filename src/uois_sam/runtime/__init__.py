"""What every long-running part needs once: device and precision, workers, Ray, progress, timing, provenance."""
