"""What scenes are made of: shapes, textures, skies, and meshes of a user's own."""
