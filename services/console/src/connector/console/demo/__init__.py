"""`connector demo`: a seeded company's month through the whole platform, and whether both sides agree at the end."""
