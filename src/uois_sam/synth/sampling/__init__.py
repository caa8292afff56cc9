"""Drawing a scene: where it is, what lies in it and how, camera, lights and materials."""
