"""Random scenes: place, furniture, objects and their arrangement, materials, lights, camera."""
